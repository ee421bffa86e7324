/** Row 1.5: `postern headers NAME`, for clients that know `headersHelper`. */
import { once } from "node:events"
import { expect, test } from "vitest"
import { type ErrorObject, formsOf, makePerson, newSecret } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

const URL = "https://api.example/mcp"

test.concurrent("1.5: the headers are one line of JSON; nothing is asked, nothing is sent, nothing is said on stderr", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  const secret = newSecret()
  const headers = ["--header", "Authorization: Bearer -", "--header", "X-Org-Id: org-888", "--header", "X-User: ${USER_NAME:-nobody}"]
  await person.postern(["add", "weather", ...headers, server.url], { stdin: secret })

  // Its standard input stays open, as a client's may: whoever read from it would wait for ever.
  const child = person.start(["headers", "weather"])
  const chunks: Buffer[] = []
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk))
  const startedMs = performance.now()
  const [code] = await once(child, "close")

  expect(code).toBe(0)
  expect(performance.now() - startedMs).toBeLessThan(5_000) // a busy machine; a client's limit is 10 s
  const line = JSON.stringify({ authorization: `Bearer ${secret}`, "x-org-id": "org-888", "x-user": "nobody" })
  expect(Buffer.concat(chunks).toString("utf8")).toBe(`${line}\n`)
  expect(server.seen).toEqual([])
})

test.concurrent("1.5: a server that needs no proof has no headers; one of another file is found by --config", async () => {
  await using person = await makePerson()
  await person.added(["add", "open", URL])
  const file = await person.write(".mcp.json", { mcpServers: { theirs: { url: URL, headers: { "X-Api-Key": "${KEY}" } } } })

  const open = await person.postern(["headers", "open"])
  const theirs = await person.postern(["headers", "theirs", "--config", file], { env: { KEY: "from-env" } })

  expect(open).toMatchObject({ code: 0, stdout: "{}\n", stderr: "" })
  expect(theirs).toMatchObject({ code: 0, stdout: '{"x-api-key":"from-env"}\n', stderr: "" })
})

test.concurrent("1.5: headers that a command mints are printed, also over a configured one of that name", async () => {
  await using person = await makePerson()
  const mint = `printf '{"authorization": "Bearer %s"}' minted-for-$CLAUDE_CODE_MCP_SERVER_NAME`
  await person.added(["add", "minted", "--headers-command", mint, "--header", "Authorization: Bearer ${OLD:-old-key}", URL])
  await person.added(["add", "broken", "--headers-command", "echo no-json-at-all", URL])

  const minted = await person.postern(["headers", "minted"])
  const broken = await person.postern(["headers", "broken"])

  expect(minted).toMatchObject({ code: 0, stdout: '{"authorization":"Bearer minted-for-minted"}\n', stderr: "" })
  expect(broken).toMatchObject({ code: 1, stdout: "" })
  expect(broken.stderr).not.toContain("no-json-at-all")
})

test.concurrent("1.5: a command that mints headers sees no secret of the vault, not in its variables and not in our command line", async () => {
  await using person = await makePerson()
  const secret = newSecret()
  const look = "{ env; tr '\\0' '\\n' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ; } >seen; echo '{}'"
  await person.postern(["add", "minted", "--headers-command", look, "--header", "X-Api-Key: -", URL], { stdin: secret })

  const headers = await person.postern(["headers", "minted"])
  const seen = await person.read(`${person.project}/seen`)

  expect(headers.json()).toEqual({ "x-api-key": secret })
  expect(seen).toContain("CLAUDE_CODE_MCP_SERVER_NAME=minted")
  expect(seen).toMatch(/^headers$/m) // our own command line was looked at
  for (const form of formsOf(secret)) expect(seen).not.toContain(form)
})

test.concurrent("1.5: where there is no proof to give, stdout stays empty and the exit code tells which kind of reason it is", async () => {
  await using person = await makePerson()
  const vaulted = { Authorization: "Bearer ${vault:moved}" }
  await person.write(`${person.folder}/config.json`, {
    mcpServers: {
      unset: { url: URL, headers: { Authorization: "Bearer ${APP_API_TOKEN}" } },
      forgotten: { url: URL, headers: { Authorization: "Bearer ${vault:forgotten}" } },
      asleep: { url: URL, enabled: false },
      local: { command: "node", env: { API_TOKEN: "${vault:local-key}" } },
      first: { url: URL, headers: vaulted },
      moved: { url: "https://elsewhere.example/mcp", headers: vaulted },
    },
  })
  await person.write(".postern.json", { mcpServers: { theirs: { url: URL, headers: { "X-Home": "${HOME}" } } } })
  const set = await person.postern(["vault", "set", "moved", "-", "--server", "first"], { stdin: newSecret() })
  expect(set.code).toBe(0)

  const reasons = ["unset", "forgotten", "asleep", "local", "moved", "theirs", "unknown"]
  const outcomes = await Promise.all(reasons.map((name) => person.postern(["headers", name])))
  const asJson = await Promise.all(reasons.map((name) => person.postern(["headers", name, "--json"])))

  expect(outcomes.map(({ code, stdout }) => [code, stdout])).toEqual([1, 1, 1, 2, 4, 4, 2].map((code) => [code, ""]))
  expect(asJson.map((outcome) => [outcome.code, outcome.json<ErrorObject>().error.code, outcome.stderr])).toEqual([
    [1, "variable-not-set", ""],
    [1, "secret-missing", ""],
    [1, "server-disabled", ""],
    [2, "no-headers", ""],
    [4, "vault-origin-mismatch", ""],
    [4, "project-not-trusted", ""],
    [2, "unknown-server", ""],
  ])
})
