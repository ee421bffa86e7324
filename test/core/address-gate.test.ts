import fc from "fast-check"
import { setMaxListeners } from "node:events"
import http from "node:http"
import https from "node:https"
import type { AddressInfo, LookupFunction } from "node:net"
import { expect, onTestFinished, test } from "vitest"
import { type AddressPolicy, passAddress } from "../../src/core/address-gate.ts"
import { assertLink } from "../../src/core/browser.ts"
import { PosternError } from "../../src/core/diagnosis.ts"
import { createHttp } from "../../src/core/http.ts"
import { makeAuthority } from "../servers/authority.ts"

const never = new AbortController().signal
setMaxListeners(0, never)
const from = (home: string, allowPrivate = false): AddressPolicy => ({ home: new URL(home), allowPrivate })
const PUBLIC = from("https://mcp.example.com/mcp")

const passes = (text: string, policy = PUBLIC): boolean => {
  try {
    return passAddress(text, "fetch metadata", policy).href !== ""
  } catch (error) {
    expect(error).toMatchObject({ diagnosis: { code: "address-refused", kind: "guard" } })
    return false
  }
}

test("a public https address passes, and comes out as it will be opened", () => {
  expect(passAddress("https://Auth.Example.com:443/a%2Fb?x=1", "open for a person", PUBLIC).href).toBe("https://auth.example.com/a%2Fb?x=1")
})

test.each([
  ["another scheme", "file:///etc/passwd"],
  ["a scheme that runs something", "javascript:alert(1)"],
  ["a scheme that a desktop hands to a program", "ms-msdt:/id"],
  ["no scheme", "//evil.example/"],
  ["a leading dash", "-https://evil.example/"],
  ["no encryption", "http://evil.example/"],
  ["a user name", "https://mcp.example.com@evil.example/"],
  ["a tab in the scheme, which the URL parser drops", "java\tscript:alert(1)"],
  ["a line feed", "https://evil.example/\n--flag"],
  ["a blank", "https://evil.example/ --flag"],
  ["a C1 control", "https://evil.example/\u009b"],
  ["more characters than a command line takes", `https://evil.example/${"a".repeat(9000)}`],
])("an address with %s is refused", (_, text) => {
  expect(passes(text)).toBe(false)
  expect(passes("https://evil.example/")).toBe(true)
})

const PRIVATE = ["10.0.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "198.18.0.1", "[fd12:3456::1]", "[fc00::1]", "[fec0::1]"]
const LOOPBACK = ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "auth.localhost", "localhost."]
const NOWHERE = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "[::]", "[ff02::1]"]
const FORBIDDEN = ["169.254.169.254", "169.254.170.2", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "[fd20:ce::254]"]
/** Other ways to write addresses that are refused. */
const DISGUISED = [
  "0x7f.0.0.1",
  "2130706433",
  "0177.1",
  "127.1",
  "0xa9fea9fe",
  "[::ffff:127.0.0.1]",
  "[::ffff:a9fe:a9fe]",
  "[::ffff:10.0.0.1]",
  "[64:ff9b::10.0.0.1]",
  "[64:ff9b::a9fe:a9fe]",
  "[64:ff9b:1::1]",
  "[2002:a00:1::]",
  "[::10.0.0.1]",
  "１２７.０.０.１",
  "169.254.169.254.",
]

test.each([...PRIVATE, ...LOOPBACK, ...NOWHERE, ...FORBIDDEN, ...DISGUISED])("a public server may not point at %s", (host) => {
  expect(passes(`https://${host}/`)).toBe(false)
})

test.each(["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "[64:ff9b::8.8.8.8]", "localhost.example.com", "1.2.3.4"])(
  "a public server may point at %s",
  (host) => {
    expect(passes(`https://${host}/`)).toBe(true)
  },
)

test.each([...PRIVATE, ...LOOPBACK])("what a person allows for one server may point at %s", (host) => {
  expect(passes(`https://${host}/`, from("https://mcp.example.com/", true))).toBe(true)
})

test.each([...FORBIDDEN, ...NOWHERE])("nobody may point at %s, whatever is allowed", (host) => {
  for (const home of ["https://mcp.example.com/", "http://127.0.0.1/", "https://10.0.0.1/"])
    expect(passes(`https://${host}/`, from(home, true))).toBe(false)
})

test.each(["169.254.169.254", "[fe80::1]"])("a configured server at %s is refused too", (host) => {
  expect(passes(`http://${host}/`, from(`http://${host}/`, true))).toBe(false)
})

test("a server points as near to this machine as it stands itself, and no nearer", () => {
  const [loopback, lan, internet] = ["127.0.0.1", "192.168.1.7", "8.8.8.8"].map((host) => `https://${host}/`) as [string, string, string]
  const allowed = [loopback, lan, internet].map((home) => [loopback, lan, internet].filter((text) => passes(text, from(home))))

  expect(allowed).toEqual([[loopback, lan, internet], [lan, internet], [internet]])
})

test("http passes on a literal loopback host, and to the configured server's own origin", () => {
  expect(passes("http://127.0.0.1:9000/", from("http://localhost:3000/mcp"))).toBe(true)
  expect(passes("http://[::1]:9000/", from("http://localhost:3000/mcp"))).toBe(true)
  expect(passes("http://intranet:8080/.well-known/x", from("http://intranet:8080/mcp"))).toBe(true)
  expect(passes("http://intranet:8081/", from("http://intranet:8080/mcp"))).toBe(false)
  expect(passes("http://10.0.0.2/", from("http://10.0.0.1/mcp"))).toBe(false)
})

test("what passes for a person to open is what the opener takes: over http on this machine alone", () => {
  const home = { home: new URL("http://intranet:8080/mcp"), allowPrivate: true }
  const texts = [
    "http://intranet:8080/authorize",
    "http://auth.localhost:3000/",
    "http://localhost.:3000/",
    "http://127.0.0.1/",
    "https://a.example/",
  ]

  for (const text of texts) {
    const passed = attempt(() => passAddress(text, "open for a person", home))
    const opens = attempt(() => assertLink(new URL(text)))
    expect([text, passed]).toEqual([text, opens])
  }
  expect(() => passAddress("http://intranet:8080/authorize", "open for a person", home)).toThrow(PosternError)
  expect(() => assertLink(new URL("http://auth.localhost:3000/"))).not.toThrow()
})

/** @returns whether it went through */
function attempt(step: () => unknown): boolean {
  try {
    step()
    return true
  } catch {
    return false
  }
}

test("whatever passes has a scheme and a host that are allowed", () => {
  // Addresses that are nearly right: each part alone may be what must not pass.
  const nearly = fc
    .tuple(
      fc.constantFrom("https:", "https:", "http:", "javascript:", "HTTPS:", ""),
      fc.constantFrom("//", "//", "/", "\\\\", ""),
      fc.constantFrom("", "", "user@", "user:word@", "@", "%00@"),
      fc.constantFrom("a.example", "a.example", "localhost", "127.0.0.1", "2130706433", "[::1]", "\ta.example", "%00"),
      fc.constantFrom("", "/path", ":8443", "?a#b", ":"),
    )
    .map((parts) => parts.join(""))
  let taken = 0
  fc.assert(
    fc.property(fc.oneof(nearly, nearly, fc.webUrl(), fc.string()), (text) => {
      let passed: URL
      try {
        passed = passAddress(text, "open for a person", PUBLIC)
      } catch {
        return
      }
      taken++
      expect(passed.protocol).toBe("https:")
      expect(passed.hostname).not.toMatch(/^(127\.|\[::1\]$|localhost$)/)
      expect(passed.username + passed.password).toBe("")
    }),
    { numRuns: 500 },
  )
  expect(taken).toBeGreaterThan(0)
})

test("a refused address is shown, and is no link", () => {
  const refusal = (text: string): string => {
    try {
      passAddress(text, "open for a person", PUBLIC)
      return "passed"
    } catch (error) {
      return JSON.stringify((error as { diagnosis: unknown }).diagnosis)
    }
  }

  expect(refusal("http://169.254.169.254/latest")).toContain("http: //169.254.169.254/latest")
  for (const text of ["http://169.254.169.254/latest", "javascript:alert(1)", "https://10.0.0.1/\u001b]8;;x"]) {
    expect(refusal(text)).not.toContain(text)
    expect(refusal(text)).not.toMatch(/[a-z]+:\/\//)
  }
})

/** A server on this machine that counts its visitors, and a resolver that leads names to it. */
async function trap(answers: Readonly<Record<string, readonly string[]>>) {
  const seen: string[] = []
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    seen.push(request.headers.host ?? "")
    response.end("here")
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const resolve: LookupFunction = (host, options, callback) => {
    asked.push(host)
    const found = (answers[host] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
    const [first] = found
    if (options.all) callback(null, found)
    else callback(null, first?.address ?? "", first?.family)
  }
  const visit = async (host: string, policy: AddressPolicy): Promise<string> => {
    const layer = createHttp({ silenceMs: 5_000, connectMs: 5_000, addresses: policy, resolve })
    onTestFinished(() => layer.close())
    const answer = await layer.send({ method: "GET", url: new URL(`http://${host}:${port}/`), headers: {} }, never)
    return (await answer.read(100)).toString()
  }
  return { seen, asked, visit }
}

test.each([["127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["8.8.8.8", "127.0.0.1"]])(
  "a public server's name that resolves to %s %s is not connected to",
  async (...addresses) => {
    const { seen, asked, visit } = await trap({ "metadata.example": addresses })

    await expect(visit("metadata.example", PUBLIC)).rejects.toMatchObject({ diagnosis: { code: "address-refused" } })
    expect(asked).toEqual(["metadata.example"]) // the trap was reached
    expect(seen).toEqual([])
  },
)

test("the same name is connected to where a person has allowed it, or the server is on this machine itself", async () => {
  const { seen, visit } = await trap({ "metadata.example": ["127.0.0.1"] })

  for (const policy of [from("https://mcp.example.com/", true), from("http://127.0.0.1/")])
    expect(await visit("metadata.example", policy)).toBe("here")
  expect(seen).toHaveLength(2)
})

test("an address that needs no resolver is checked all the same", async () => {
  const { seen, asked, visit } = await trap({})

  await expect(visit("127.0.0.1", PUBLIC)).rejects.toMatchObject({ diagnosis: { code: "address-refused" } })
  expect(await visit("127.0.0.1", from("https://mcp.example.com/", true))).toBe("here")
  expect(asked).toEqual([])
  expect(seen).toHaveLength(1)
})

test("the configured server itself may be on a private address, and never on a link-local one", async () => {
  const { seen, asked, visit } = await trap({ "mcp.corp.example": ["127.0.0.1"], "mcp.evil.example": ["169.254.169.254"] })

  expect(await visit("mcp.corp.example", from("https://mcp.corp.example/mcp"))).toBe("here")
  await expect(visit("mcp.evil.example", from("https://mcp.evil.example/mcp", true))).rejects.toMatchObject({
    diagnosis: { code: "address-refused" },
  })
  expect(asked).toEqual(["mcp.corp.example", "mcp.evil.example"])
  expect(seen).toHaveLength(1)
})

test("a name that resolves to something else the second time is checked the second time too", async () => {
  const answers: Record<string, readonly string[]> = { "metadata.example": ["127.0.0.1"], "mcp.example.com": ["127.0.0.1"] }
  const { seen, asked, visit } = await trap(answers)
  const policy = from("https://metadata.example/mcp")

  expect(await visit("metadata.example", policy)).toBe("here")
  answers["metadata.example"] = ["169.254.169.254"]

  await expect(visit("metadata.example", policy)).rejects.toMatchObject({ diagnosis: { code: "address-refused" } })
  expect(asked).toHaveLength(2)
  expect(seen).toHaveLength(1)
})

/** Asks one layer for addresses on this machine, one after the other: whether each was reached, or why not. */
async function visitInTurn(
  scheme: "http" | "https",
  certifiedFor: string,
): Promise<{ seen: string[]; visit(host: string): Promise<string> }> {
  const authority = await makeAuthority()
  onTestFinished(() => authority[Symbol.asyncDispose]())
  const seen: string[] = []
  const hear: http.RequestListener = ({ headers }, response) => {
    seen.push(headers.host?.split(":")[0] ?? "")
    response.end("here")
  }
  const { cert, key } = await authority.issue(certifiedFor, "auth.corp.example")
  const server = scheme === "https" ? https.createServer({ cert, key }, hear) : http.createServer(hear)
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const resolve: LookupFunction = (_, options, callback) =>
    options.all ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4)
  const addresses = from(`${scheme}://mcp.corp.example:${port}/mcp`)
  const layer = createHttp({ silenceMs: 5_000, connectMs: 5_000, addresses, resolve, tls: { caFile: authority.caFile } })
  onTestFinished(() => layer.close())
  return {
    seen,
    async visit(host) {
      try {
        const answer = await layer.send({ method: "GET", url: new URL(`${scheme}://${host}:${port}/`), headers: {} }, never)
        return (await answer.read(100)).toString()
      } catch (error) {
        return error instanceof PosternError ? error.diagnosis.code : String(error)
      }
    },
  }
}

test("where the configured server is private by its name, and its certificate fits, it may point at its own network", async () => {
  const { seen, visit } = await visitInTurn("https", "mcp.corp.example")

  expect(await visit("auth.corp.example")).toBe("address-refused") // a name says nothing before it was connected to
  expect(await visit("mcp.corp.example")).toBe("here")
  expect(await visit("auth.corp.example")).toBe("here")
  expect(seen).toEqual(["mcp.corp.example", "auth.corp.example"])
})

test.each([
  ["nothing shows whose the name is (http)", "http", "mcp.corp.example", "here"],
  ["its certificate is another's", "https", "other.corp.example", "tls-refused"],
] as const)("where %s, a server that stands in a private network may not point there", async (_, scheme, certifiedFor, outcome) => {
  const { seen, visit } = await visitInTurn(scheme, certifiedFor)

  expect(await visit("mcp.corp.example")).toBe(outcome) // the trap was reached
  expect(await visit("auth.corp.example")).toBe("address-refused")
  expect(seen).not.toContain("auth.corp.example")
})
