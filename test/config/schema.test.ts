import { expect, test } from "vitest"
import { parseEntry } from "../../src/config/schema.ts"
import type { Server } from "../../src/config/server.ts"

const place = { name: "s", scope: "user", file: "/c.json", trusted: true } as const

const parse = (entry: unknown): ReturnType<typeof parseEntry> => parseEntry(entry, ["mcpServers", "s"], place)

function serverOf(entry: unknown): Server {
  const parsed = parse(entry)
  if ("faults" in parsed) throw new Error(JSON.stringify(parsed.faults))
  return parsed.server
}

test.each([
  [{ url: "https://a/" }, "http"],
  [{ type: "http", url: "https://a/" }, "http"],
  [{ transport: "http", url: "https://a/" }, "http"],
  [{ type: "streamable-http", url: "https://a/" }, "http"],
  [{ type: "streamableHttp", url: "https://a/" }, "http"],
  [{ type: "streamable-http", transport: "http", url: "https://a/" }, "http"],
  [{ type: "sse", url: "https://a/" }, "sse"],
  [{ command: "node" }, "stdio"],
  [{ type: "stdio", command: "node" }, "stdio"],
] as const)("%j speaks %s%s", (entry, transport) => {
  expect(serverOf(entry).transport).toBe(transport)
})

test("all keys of an entry come out as they are written", () => {
  const remote = {
    type: "http",
    url: "https://a/${B}",
    headers: { A: "${vault:x}" },
    headersHelper: "get token",
    resumeTimeout: 90,
    environment: "prod",
    timeout: 5000,
    enabled: true,
    tls: { ca: "${H}/ca.pem", cert: "me.pem", key: "me.key" },
    allowPrivate: true,
  }
  const local = { command: "${C}", args: ["${D:-e}"], env: { F: "${G}" }, disabled: false, environment: "dev" }

  expect(serverOf(remote)).toEqual({
    ...place,
    enabled: true,
    environment: "prod",
    timeoutMs: 5000,
    transport: "http",
    url: "https://a/${B}",
    headers: { A: "${vault:x}" },
    headersHelper: "get token",
    resumeTimeoutMs: 90_000,
    tls: { ca: "${H}/ca.pem", cert: "me.pem", key: "me.key" },
    allowPrivate: true,
  })
  expect(serverOf(local)).toEqual({
    ...place,
    enabled: true,
    environment: "dev",
    transport: "stdio",
    command: "${C}",
    args: ["${D:-e}"],
    env: { F: "${G}" },
  })
})

test.each([
  [{ type: "ws", url: "wss://a/" }, "mcpServers.s.type", '"ws"', "stdio, http (or streamable-http) or sse; no other transport is spoken"],
  [
    { url: "https://a/", command: "x" },
    "mcpServers.s.url",
    "an address beside a command",
    "one of the two: a server is reached or started",
  ],
  [{}, "mcpServers.s", "neither an address nor a command", '"url" or "command"'],
  [{ type: "http" }, "mcpServers.s", "the type http without an address", '"url", the address of the server'],
  [{ type: "http", command: "x" }, "mcpServers.s", "the type http without an address", '"url", the address of the server'],
  [
    { type: "stdio", url: "https://a/" },
    "mcpServers.s.type",
    "stdio beside an address",
    "http or sse, or a command instead of the address",
  ],
  [{ type: "http", transport: "sse", url: "https://a/" }, "mcpServers.s.transport", "sse beside the type http", "one of the two"],
  [{ url: 3 }, "mcpServers.s.url", "a number", "the address of the server, in quotes"],
  [{ url: "https://a/", headersHelper: "" }, "mcpServers.s.headersHelper", "an empty text", "a command line in quotes"],
  [{ url: "https://a/", headersHelper: " " }, "mcpServers.s.headersHelper", "a text", "a command line in quotes"],
  [
    { url: "https:///mcp" },
    "mcpServers.s.url",
    "an address that cannot be used: it has no host behind https:// or http://",
    "an address such as https://example.com/mcp",
  ],
  [{ url: "https://a/", headers: { A: 1 } }, "mcpServers.s.headers.A", "a number", "a text in quotes"],
  [{ url: "https://a/", headers: { "a b": null } }, 'mcpServers.s.headers["a b"]', "null", "a text in quotes"],
  [{ command: "x", args: "s.js" }, "mcpServers.s.args", "a text", 'a list of texts, such as ["server.js"]'],
  [{ command: "x", args: ["a", 2] }, "mcpServers.s.args[1]", "a number", "a text in quotes"],
  [{ command: "x", env: { PORT: 80 } }, "mcpServers.s.env.PORT", "a number", "a text in quotes"],
  [{ command: "x", env: [] }, "mcpServers.s.env", "a list", 'an object of texts, such as {"AWS_PROFILE": "dev"}'],
  [{ command: "x", env: { "A=B": "c" } }, 'mcpServers.s.env["A=B"]', "a text", "the name of a variable, without ="],
  [{ command: "" }, "mcpServers.s.command", "an empty text", "the program to start"],
  [{ command: "x", timeout: 30 }, "mcpServers.s.timeout", "a number", "milliseconds, at least 1000"],
  [{ url: "https://x.example/", resumeTimeout: 0.5 }, "mcpServers.s.resumeTimeout", "a number", "seconds, at least 1"],
  [{ url: "https://x.example/", resumeTimeout: "5m" }, "mcpServers.s.resumeTimeout", "a text", "a number of seconds, at least 1"],
  [{ command: "x", timeout: "30s" }, "mcpServers.s.timeout", "a text", "a number of milliseconds, at least 1000"],
  [{ command: "x", enabled: "no" }, "mcpServers.s.enabled", "a text", "true or false"],
  [{ command: "x", environment: "production" }, "mcpServers.s.environment", '"production"', "dev, staging or prod"],
  [{ url: "https://a/", tls: { key: "me.key" } }, "mcpServers.s.tls", "a key without a certificate", '"cert" beside it'],
  [{ url: "https://a/", tls: { ca: "" } }, "mcpServers.s.tls.ca", "an empty text", "the path of a file"],
  [
    { url: "https://a/", tls: { crt: "me.pem" } },
    "mcpServers.s.tls.crt",
    "a text",
    'an object such as {"ca": "company-ca.pem"}, with the keys ca, cert, key',
  ],
  [{ url: "https://a/", allowPrivate: "yes" }, "mcpServers.s.allowPrivate", "a text", "true or false"],
  ["npx x", "mcpServers.s", "a text", 'an object, such as {"type": "http", "url": "https://..."}'],
  [[], "mcpServers.s", "a list", 'an object, such as {"type": "http", "url": "https://..."}'],
  [null, "mcpServers.s", "null", 'an object, such as {"type": "http", "url": "https://..."}'],
])("%j is refused at %s", (entry, key, found, right) => {
  expect(parse(entry)).toMatchObject({ faults: [{ key, found, right }] })
})

test.each(["ftp://a/", "a/b", "https://u:s3cret@a/", "https://a/ b", ""])("the address %j is refused, and not shown", (url) => {
  const parsed = parse({ url })

  expect(parsed).toMatchObject({ faults: [{ key: "mcpServers.s.url", right: "an address such as https://example.com/mcp" }] })
  expect(JSON.stringify(parsed)).not.toContain("s3cret")
})

test("every wrong value is told at once, and none is shown", () => {
  const parsed = parse({ url: 1, headers: { Authorization: ["s3cret"] }, timeout: true })

  expect("faults" in parsed && parsed.faults.map(({ key }) => key)).toEqual([
    "mcpServers.s.url",
    "mcpServers.s.headers.Authorization",
    "mcpServers.s.timeout",
  ])
  expect(JSON.stringify(parsed)).not.toContain("s3cret")
})

const holders: readonly (readonly [string, (texts: unknown) => object])[] = [
  ["headers", (headers) => ({ url: "https://a/", headers })],
  ["env", (env) => ({ command: "node", env })],
  ["aws.tags", (tags) => ({ url: "https://a/", aws: { tags } })],
  ["oauth.authorizeParams", (authorizeParams) => ({ url: "https://a/", oauth: { authorizeParams } })],
]
test.each(holders)("%s takes no list, and no name that would be left out in silence", (key, holding) => {
  const names = ["__proto__", "prototype", "constructor"]
  const bad = [
    ["a=b"],
    ...names.map((name) =>
      Object.fromEntries([
        ["a", "b"],
        [name, "c"],
      ]),
    ),
  ]

  const parsed = bad.map((texts) => parse(holding(texts)))

  expect(parsed.map((one) => "faults" in one && [one.faults[0].key, one.faults[0].right])).toEqual([
    [`mcpServers.s.${key}`, expect.stringContaining("an object of texts")],
    ...names.map(() => [`mcpServers.s.${key}`, "other names than __proto__, prototype, constructor"]),
  ])
  expect(parse(holding({ a: "b", toString: "c" }))).toHaveProperty("server")
})
