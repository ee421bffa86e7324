/** Row 2.5 for the programs that stand in no file: a person is needed, and no entry has a name to sign in by. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { makeBrowser } from "../../harness/browser.ts"
import { type Client, type Home, makeHome, startClient, startProgram } from "../../harness/client.ts"
import { type AwsSso, ssoConfig, startAwsSso } from "../../servers/aws-sso.ts"
import { type AwsEndpoint, startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import { startAwsFront } from "../../servers/aws/front.ts"
import { addUser, type Holder, type Holders, toCredentialsFile } from "../../servers/aws/keys.ts"
import { startSts, type Sts } from "../../servers/aws/sts.ts"

const HOST = "my-mcp-service.execute-api.us-east-1.amazonaws.com"
const PROGRAM = fileURLToPath(new URL("../../../dist/bin/aws-mcp-proxy.js", import.meta.url))
const call = { name: "echo", arguments: { text: "hello" } }
const HELLO = { result: { content: [{ type: "text", text: "hello" }] } }

interface Stage extends AsyncDisposable {
  readonly home: Home
  readonly holders: Holders
  readonly sso: AwsSso
  readonly sts: Sts
  readonly endpoint: AwsEndpoint
  start(profile: string): Client
  /** Ends all sessions: at the portal, and of the roles. */
  endAll(): void
  /** `postern aws login --profile dev`, and a person who approves the code. */
  login(): Promise<void>
}

async function makeStage(browser: NodeJS.ProcessEnv = {}): Promise<Stage> {
  const holders: Holders = new Map()
  const [sso, sts] = await Promise.all([startAwsSso(holders), startSts(holders, "us-east-1")])
  const endpoint = await startAwsEndpoint({ holders, region: "us-east-1" })
  const front = await startAwsFront({ [HOST]: endpoint.url })
  const home = await makeHome({ AWS_ENDPOINT_URL: sso.url, AWS_ENDPOINT_URL_STS: sts.url, AWS_EC2_METADATA_DISABLED: "true", ...browser })
  await mkdir(join(home.path, ".aws"))
  await writeFile(join(home.path, ".aws/config"), ssoConfig())
  return {
    home,
    holders,
    sso,
    sts,
    endpoint,
    start: (profile) => startProgram(PROGRAM, { ...home.env, ...front.env, AWS_PROFILE: profile, MCP_ENDPOINT: `https://${HOST}/prod` }),
    endAll() {
      sso.revokeAll()
      for (const [id, holder] of holders) holders.set(id, { ...holder, expiresAtMs: Date.now() - 1000 } satisfies Holder)
    },
    async login() {
      const login = startClient(home, ["aws", "login", "--profile", "dev", "--no-browser"])
      login.child.stderr.on("data", (chunk: Buffer) => {
        const code = /code: ([0-9A-F]{4}-[0-9A-F]{4})/.exec(chunk.toString())?.[1]
        if (code !== undefined) sso.decide(code, "approved")
      })
      if ((await login.exited) !== 0) throw new Error(login.stderr())
    },
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await endpoint.close()
      await sts[Symbol.asyncDispose]()
      await sso[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

test("2.5: a program that starts while nobody is signed in begins all the same, names the command, and goes on after it", async () => {
  await using stage = await makeStage()
  await using client = stage.start("dev")

  const opened = await client.open()
  const locked = JSON.stringify(await client.request("tools/call", call))
  const seenBefore = stage.endpoint.seen.length
  await stage.login()
  const after = await client.request("tools/call", call)

  expect(opened.result).toBeDefined() // a client that gets an error here closes the pipe, and does not come back
  expect(locked).toContain("There is no SSO session for the AWS profile")
  expect(locked).toContain("postern aws login --profile dev")
  expect(locked).not.toContain("postern auth")
  expect(seenBefore).toBe(0)
  expect(after).toMatchObject(HELLO)
  expect(client.garbage).toEqual([])
})

test("2.5: a session that ends under a program opens the person's browser, and the same call is answered", async () => {
  await using browser = await makeBrowser()
  await using stage = await makeStage(browser.env)
  await stage.login()
  await using client = stage.start("dev")
  await client.open()
  const before = await client.request("tools/call", call)

  stage.endAll()
  const after = await client.request("tools/call", call)

  expect(before).toMatchObject(HELLO)
  expect(stage.endpoint.refusals.length).toBeGreaterThan(0) // the service answered 403
  expect(after).toMatchObject(HELLO)
  expect(await browser.walks(1)).toHaveLength(1)
})

test("2.5: who says no to a program's question is told the command that holds for it", async () => {
  await using browser = await makeBrowser()
  await using stage = await makeStage(browser.env)
  await using client = stage.start("dev")
  await client.open({ elicitation: {} })

  const asked = client.request("tools/call", call)
  const question = await client.heard(({ method }) => method === "elicitation/create")
  client.send({ id: question.id, result: { action: "decline" } })
  const told = JSON.stringify(await asked)

  expect(told).toContain("declined")
  expect(told).toContain("postern aws login --profile dev")
  expect(told).not.toContain("postern auth")
})

test("a code of an MFA device, which no client may be asked for, is told with the way that has a prompt", async () => {
  await using stage = await makeStage()
  const role = "arn:aws:iam::123456789012:role/guarded"
  const anna = addUser(stage.holders, "anna")
  stage.sts.roles.set(role, { trusts: [anna.arn], mfaCodes: new Set(["123456"]) })
  await writeFile(join(stage.home.path, ".aws/credentials"), toCredentialsFile("base", anna))
  const profile = `[profile guarded]\nrole_arn = ${role}\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/anna\nregion = us-east-1\n`
  await writeFile(join(stage.home.path, ".aws/config"), profile)
  await using client = stage.start("guarded")

  const answer = await client.open()

  expect(answer.error?.data).toMatchObject({
    code: "aws-mfa-unasked",
    evidence: expect.arrayContaining(["device: arn:aws:iam::123456789012:mfa/anna"]),
    next: "add the server with postern add NAME --aws, sign in with postern auth NAME, and start postern run NAME in the client",
  })
  expect(stage.sts.callsOf("AssumeRole")).toEqual([])
  expect(stage.endpoint.seen).toEqual([])
})
