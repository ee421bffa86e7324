import { expect, test } from "vitest"
import { expand, expandAddress, expandHeaders, expandProcess, type Sources, startFolder, stdioOrigin } from "../../src/config/expand.ts"
import type { HttpServer, StdioServer } from "../../src/config/server.ts"
import { PosternError } from "../../src/core/diagnosis.ts"

const where = { server: "weather", file: "/w/.mcp.json", key: "headers.Authorization" }
const entry = { name: "weather", scope: "file", file: "/w/.mcp.json", trusted: true, enabled: true } as const

const http = (parts: Partial<HttpServer>): HttpServer => ({
  ...entry,
  transport: "http",
  url: "https://api.example.com/mcp",
  headers: {},
  ...parts,
})
const stdio = (parts: Partial<StdioServer>): StdioServer => ({ ...entry, transport: "stdio", command: "node", args: [], env: {}, ...parts })

/** Notes which secret was asked for, and for which origin. */
function sourcesOf(env: Record<string, string>, secrets: Record<string, string> = {}): Sources & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    env,
    asked,
    async readSecret(name, origin) {
      asked.push(`${name} for ${origin}`)
      return secrets[name]
    },
  }
}

const texts = (env: Record<string, string>): Parameters<typeof expand>[1] => ({ env, readSecret: async () => undefined })

async function diagnosisOf(work: Promise<unknown>): Promise<PosternError["diagnosis"]> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(PosternError)
  return (error as PosternError).diagnosis // the line above has made sure of it
}

test("1.2: ${VAR} and ${VAR:-default} are replaced in url, headers, command, args and env", async () => {
  const sources = sourcesOf({ HOST: "api.example.com", APP_API_TOKEN: "t0ken", NODE: "node", SCRIPT: "/s.js", PROFILE: "dev" })

  const address = await expandAddress(http({ url: "https://${HOST}/${PATH_PART:-mcp}" }), sources)
  const headers = await expandHeaders(
    http({ headers: { Authorization: "Bearer ${APP_API_TOKEN}", "X-Org-Id": "org-888" } }),
    "https://x",
    sources,
  )
  const started = await expandProcess(
    stdio({ command: "${NODE}", args: ["${SCRIPT}", "${PORT:-80}"], env: { AWS_PROFILE: "${PROFILE}" } }),
    sources,
  )

  expect(address.href).toBe("https://api.example.com/mcp")
  expect(headers).toEqual([
    { name: "Authorization", value: "Bearer t0ken", source: "the variable APP_API_TOKEN" },
    { name: "X-Org-Id", value: "org-888", source: "/w/.mcp.json" },
  ])
  expect(started).toEqual({ command: "node", args: ["/s.js", "80"], env: { AWS_PROFILE: "dev" } })
})

test("1.2: a variable that is not set is an error with the variable, the server, the file and the key", async () => {
  const diagnosis = await diagnosisOf(expandHeaders(http({ headers: { "X-Key": "${NOT_THERE}" } }), "https://x", sourcesOf({})))

  expect(diagnosis).toMatchObject({
    code: "variable-not-set",
    cause: 'The variable NOT_THERE is not set; the server "weather" needs it for headers.X-Key.',
    evidence: ["server: weather", "file: /w/.mcp.json", "key: headers.X-Key", "nothing was sent"],
  })
})

test("a variable that the client has taken away is told with the setting that does it", async () => {
  const diagnosis = await diagnosisOf(expand("${AWS_PROFILE}", texts({ CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: "1" }), where))

  expect(diagnosis.evidence.join("\n")).toContain("CLAUDE_CODE_SUBPROCESS_ENV_SCRUB=1")
})

test("an empty variable counts as unset where there is a default, as in a shell, and stays empty where there is none", async () => {
  expect(await expand("[${A:-b}]", texts({ A: "" }), where)).toBe("[b]")
  expect(await expand("[${A:-}]", texts({}), where)).toBe("[]")
  expect(await expand("[${A}]", texts({ A: "" }), where)).toBe("[]")
})

test("a variable named like something that every object inherits is still unset", async () => {
  expect(await diagnosisOf(expand("${constructor}", texts({}), where))).toMatchObject({ code: "variable-not-set" })
})

test("what a variable holds is not expanded again", async () => {
  expect(await expand("${A}", texts({ A: "${B} ${vault:x}" }), where)).toBe("${B} ${vault:x}")
})

test("a reference that is none of the known ones is an error that names it", async () => {
  expect(await diagnosisOf(expand("Bearer ${input:key}", texts({}), where))).toMatchObject({
    code: "template-invalid",
    cause: '"${input:key}" is not a reference that Postern knows.',
  })
})

test("a secret is read for the origin of the server, and one that the vault does not have is told by name", async () => {
  const sources = sourcesOf({}, { weather: "k3y" })

  const headers = await expandHeaders(http({ headers: { "X-Api-Key": "${vault:weather}" } }), "https://api.example.com", sources)
  const diagnosis = await diagnosisOf(
    expandHeaders(http({ headers: { "X-Api-Key": "${vault:gone}" } }), "https://api.example.com", sources),
  )

  expect(headers).toEqual([{ name: "X-Api-Key", value: "k3y", source: "vault:weather" }])
  expect(sources.asked).toEqual(["weather for https://api.example.com", "gone for https://api.example.com"])
  expect(diagnosis).toMatchObject({ code: "secret-missing", next: "postern vault set gone - --config /w/.mcp.json" })
})

test("a secret in the query is read for the host that stands before it; one that would decide the host is not read at all", async () => {
  const sources = sourcesOf({}, { key: "s3cret", host: "evil.example" })

  const address = await expandAddress(http({ url: "https://api.example.com/mcp?key=${vault:key}" }), sources)
  const diagnoses = [
    await diagnosisOf(expandAddress(http({ url: "https://${vault:host}/mcp" }), sources)),
    await diagnosisOf(expandAddress(http({ url: "https://api.example.com${vault:host}/mcp" }), sources)),
    await diagnosisOf(expandAddress(http({ url: "https://x${vault:host}@api.example.com/mcp" }), sources)),
  ]

  expect(address.href).toBe("https://api.example.com/mcp?key=s3cret")
  expect(diagnoses.map(({ code }) => code)).toEqual(["secret-misplaced", "secret-misplaced", "address-invalid"])
  expect(sources.asked).toEqual(["key for https://api.example.com"])
})

test.each([
  ["ftp://example.com/", "it begins with ftp: instead of https: or http:"],
  ["file:///etc/passwd", "it begins with file: instead of https: or http:"],
  ["javascript:alert(1)", "it begins with javascript: instead of https: or http:"],
  ["example.com/mcp", "it is not a whole address"],
  ["", "it is not a whole address (empty: URL)"],
  ["https://u:p@example.com/", "it holds a user name or a password; a header is the place for them"],
  ["https://example.com/a\nb", "it holds a blank or a control character"],
  [" https://example.com/", "it holds a blank or a control character"],
  ["http:///127.0.0.1:7801/mcp", "it has no host behind https:// or http://"],
  ["HTTPS:example.com/mcp", "it has no host behind https:// or http://"],
  ["https:/example.com/mcp", "it has no host behind https:// or http://"],
  ["https://?a=b", "it has no host behind https:// or http://"],
  ["http:\\\\example.com\\mcp", "it holds a backslash before its query"],
  ["https://example.com\\@evil.example/", "it holds a backslash before its query"],
])("the address %j from a variable is refused, and not shown", async (address, problem) => {
  const diagnosis = await diagnosisOf(expandAddress(http({ url: "${URL}" }), sourcesOf({ URL: address })))

  expect(diagnosis).toMatchObject({ code: "address-invalid", cause: `The address of the server "weather" cannot be used: ${problem}.` })
})

test("an empty variable in the place of the host makes no other piece of the address the host, and is told by name", async () => {
  const sources = sourcesOf({ HOST: "", PORT: "443" }, { k: "x" })

  const diagnosis = await diagnosisOf(expandAddress(http({ url: "https://${HOST}/mcp:${PORT}?key=${vault:k}" }), sources))

  expect(diagnosis).toMatchObject({
    code: "address-invalid",
    cause: 'The address of the server "weather" cannot be used: it has no host behind https:// or http:// (empty: HOST).',
    next: "correct HOST where the client is started, or the entry in /w/.mcp.json",
  })
  expect(sources.asked).toEqual([])
})

test.each([
  ["a\r\nX-Evil: 1", "a line break"],
  ["a\n", "a line break"],
  ["a\u0000b", "a control character"],
  ["a\u001bb", "a control character"],
  ["a\u0085b", "a control character"],
  ["a\u20acb", "outside Latin-1"],
  [" a", "white space"],
  ["a ", "white space"],
  ["a\u00a0", "white space"],
])("the secret %j is refused in a header: it holds %s", async (secret, problem) => {
  for (const template of ["${vault:k}", "Bearer ${vault:k}", "x${vault:k}y"]) {
    const diagnosis = await diagnosisOf(
      expandHeaders(http({ headers: { "X-Api-Key": template } }), "https://x", sourcesOf({}, { k: secret })),
    )

    expect(diagnosis).toMatchObject({ code: "header-invalid", cause: expect.stringContaining(problem) as string })
    expect(JSON.stringify(diagnosis)).not.toContain("X-Evil")
  }
})

test("a control character that stands in the file itself is refused in a header too", async () => {
  const diagnosis = await diagnosisOf(expandHeaders(http({ headers: { "X-A": "1\r\nX-B: 2" } }), "https://x", sourcesOf({})))

  expect(diagnosis).toMatchObject({ code: "header-invalid" })
})

test.each([
  ["Authorization", "Bearer "],
  ["authorization", "Basic"],
  ["Authorization", ""],
  ["x-goog-api-key", "  "],
  ["apikey", ""],
  ["Cookie", "session="],
])("1.1: the header %s with the value %j has no credential, and the answer tells of single quotes", async (name, value) => {
  const diagnosis = await diagnosisOf(expandHeaders(http({ headers: { [name]: value } }), "https://x", sourcesOf({})))

  expect(diagnosis).toMatchObject({ code: "credential-empty", next: expect.stringContaining("--header '") as string })
})

test.each([
  ["Authorization", "Bearer ${EMPTY}", "credential-empty", "EMPTY"],
  ["PRIVATE-TOKEN", "${UNSET:-}", "credential-empty", "UNSET"],
  ["Cookie", "${NAME}=${EMPTY}${EMPTY}", "credential-empty", "EMPTY"],
  ["X-Api-Key", "${TWO_LINES}", "header-invalid", "TWO_LINES"],
])("1.1: the header %s with the value %j is no good because of a variable, and is mended there", async (name, template, code, variable) => {
  const sources = sourcesOf({ EMPTY: "", NAME: "session", TWO_LINES: "a\nb" })

  const diagnosis = await diagnosisOf(expandHeaders(http({ headers: { [name]: template } }), "https://x", sources))

  expect(diagnosis).toMatchObject({ code, next: `correct ${variable} where the client is started, or the entry in /w/.mcp.json` })
})

test("an ordinary header may be empty, and a credential without a scheme is one", async () => {
  const headers = await expandHeaders(http({ headers: { "X-Trace": "", Authorization: "k3y", Cookie: "a=b" } }), "https://x", sourcesOf({}))

  expect(headers.map(({ value }) => value)).toEqual(["", "k3y", "a=b"])
})

test.each([
  "Host",
  "content-length",
  "Transfer-Encoding",
  "Connection",
  "TE",
  "Mcp-Session-Id",
  "Mcp-Param-Region",
  "MCP-Protocol-Version",
  "Content-Type",
  "Accept",
  "a b",
  "a:b",
  "é",
  "",
])("the header name %j is refused with the reason", async (name) => {
  const diagnosis = await diagnosisOf(expandHeaders(http({ headers: { [name]: "x" } }), "https://x", sourcesOf({})))

  expect(diagnosis).toMatchObject({
    code: "header-invalid",
    evidence: ["server: weather", expect.any(String), expect.any(String), "nothing was sent"],
  })
})

test("two header names that differ only in upper and lower case are refused", async () => {
  const diagnosis = await diagnosisOf(expandHeaders(http({ headers: { "X-Key": "1", "x-key": "2" } }), "https://x", sourcesOf({})))

  expect(diagnosis).toMatchObject({ code: "header-invalid", cause: expect.stringContaining("stands twice") as string })
})

test("a wrong header name is found before any secret is read", async () => {
  const sources = sourcesOf({}, { k: "x" })

  await diagnosisOf(expandHeaders(http({ headers: { "X-Key": "${vault:k}", Host: "x" } }), "https://x", sources))

  expect(sources.asked).toEqual([])
})

test("a secret goes to a local process through env, bound to the command line, and never through an argument", async () => {
  const server = stdio({ args: ["a b.js"], env: { TOKEN: "${vault:t}" } })
  const sources = sourcesOf({}, { t: "s3cret" })

  const started = await expandProcess(server, sources)
  const diagnosis = await diagnosisOf(expandProcess(stdio({ args: ["--token=${vault:t}"] }), sources))

  expect(started.env).toEqual({ TOKEN: "s3cret" })
  expect(sources.asked).toEqual([`t for ${stdioOrigin(server)}`])
  expect(stdioOrigin(server)).toBe('stdio:"node" "a b.js"')
  expect(diagnosis).toMatchObject({ code: "secret-misplaced" })
})

test("an empty command and a NUL are told before a process is started", async () => {
  const codes = [
    await diagnosisOf(expandProcess(stdio({ command: "${C:-}" }), sourcesOf({}))),
    await diagnosisOf(expandProcess(stdio({ args: ["a\0b"] }), sourcesOf({}))),
    await diagnosisOf(expandProcess(stdio({ env: { A: "a\0b" } }), sourcesOf({}))),
  ].map(({ code }) => code)

  expect(codes).toEqual(["process-invalid", "process-invalid", "process-invalid"])
})

test("a process of a project file starts in the folder of that file: what was approved was looked for there", async () => {
  const project = { scope: "project", file: "/w/.postern.json" } as const

  expect(await expandProcess(stdio({ ...project, args: ["tools/x.js"] }), sourcesOf({}))).toMatchObject({ cwd: "/w", args: ["tools/x.js"] })
  expect(await expandProcess(stdio({}), sourcesOf({}))).not.toHaveProperty("cwd")
  expect(startFolder(http(project))).toBe("/w")
})

test("nothing of an entry that nobody approved is expanded", async () => {
  const sources = sourcesOf({ A: "a" }, { k: "x" })
  const untrusted = { trusted: false, headers: { X: "${vault:k}" } } as const

  const codes = [
    await diagnosisOf(expandAddress(http({ ...untrusted, url: "https://x/${vault:k}" }), sources)),
    await diagnosisOf(expandHeaders(http(untrusted), "https://x", sources)),
    await diagnosisOf(expandProcess(stdio({ trusted: false, env: { A: "${vault:k}" } }), sources)),
  ].map(({ code, kind }) => `${code} ${kind}`)

  expect(codes).toEqual(Array(3).fill("project-not-trusted guard"))
  expect(sources.asked).toEqual([])
})
