/** Row 2.5: a session of AWS SSO that ends under a running client. */
import { mkdir, readFile, readdir, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { makeBrowser } from "../../harness/browser.ts"
import { type Home, makeHome, startClient } from "../../harness/client.ts"
import { type AwsSso, ssoConfig, startAwsSso } from "../../servers/aws-sso.ts"
import { type AwsEndpoint, startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import type { Holder, Holders } from "../../servers/aws/keys.ts"
import { startSts } from "../../servers/aws/sts.ts"

interface Stage extends AsyncDisposable {
  readonly home: Home
  readonly sso: AwsSso
  readonly endpoint: AwsEndpoint
  readonly config: string
  /** Ends all sessions: at the portal, and of the roles. */
  endAll(): void
  /** `postern auth my-mcp`, and a person who approves the code. */
  signIn(): Promise<string>
}

async function makeStage(browser: NodeJS.ProcessEnv = {}): Promise<Stage> {
  const holders: Holders = new Map()
  const [sso, sts] = [await startAwsSso(holders), await startSts(holders, "us-east-1")]
  const endpoint = await startAwsEndpoint({ holders, region: "us-east-1" })
  const home = await makeHome({ AWS_ENDPOINT_URL: sso.url, AWS_ENDPOINT_URL_STS: sts.url, AWS_EC2_METADATA_DISABLED: "true", ...browser })
  await mkdir(join(home.path, ".aws"))
  await writeFile(join(home.path, ".aws/config"), ssoConfig())
  const entry = { type: "http", url: endpoint.url, aws: { profile: "dev", service: "execute-api", region: "us-east-1" } }
  const config = await home.config({ "my-mcp": entry })
  return {
    home,
    sso,
    endpoint,
    config,
    endAll() {
      sso.revokeAll()
      for (const [id, holder] of holders) holders.set(id, { ...holder, expiresAtMs: Date.now() - 1000 } satisfies Holder)
    },
    async signIn() {
      const auth = startClient(home, ["auth", "my-mcp", "--no-browser", "--config", config])
      auth.child.stderr.on("data", (chunk: Buffer) => {
        const code = /code: ([0-9A-F]{4}-[0-9A-F]{4})/.exec(chunk.toString())?.[1]
        if (code !== undefined) sso.decide(code, "approved")
      })
      if ((await auth.exited) !== 0) throw new Error(auth.stderr())
      return auth.garbage.join("\n")
    },
    async [Symbol.asyncDispose]() {
      await endpoint.close()
      await sts[Symbol.asyncDispose]()
      await sso[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

const call = { name: "echo", arguments: { text: "hello" } }
const HELLO = { result: { content: [{ type: "text", text: "hello" }] } }

test("2.5: an ended SSO session is told with its profile and one command, and after it the same running client goes on", async () => {
  await using stage = await makeStage()
  const signedIn = await stage.signIn()
  await using client = startClient(stage.home, ["run", "my-mcp", "--config", stage.config])
  await client.open()
  const before = await client.request("tools/call", call)

  stage.endAll()
  const ended = JSON.stringify(await client.request("tools/call", call))
  const refused = stage.endpoint.refusals.length
  await stage.signIn()
  const after = await client.request("tools/call", call)

  expect(signedIn).toContain('"my-mcp" sees arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Developers_0123456789abcdef/ada')
  expect(before).toMatchObject(HELLO)
  expect(refused).toBeGreaterThan(0) // the service answered 403
  expect(ended).toContain('The SSO session of the AWS profile \\"dev\\" has ended')
  expect(ended).toContain(`postern auth my-mcp --config ${stage.config}`) // as it has to be typed
  expect(after).toMatchObject(HELLO)
  expect(client.garbage).toEqual([])
})

test("2.5: where the person has a browser, it opens when the session has ended, and the same call is answered", async () => {
  await using browser = await makeBrowser()
  await using stage = await makeStage(browser.env)
  await stage.signIn()
  await using client = startClient(stage.home, ["run", "my-mcp", "--config", stage.config])
  await client.open()
  await client.request("tools/call", call)

  stage.endAll()
  const answers = await Promise.all([1, 2, 3].map(() => client.request("tools/call", call)))

  expect(stage.endpoint.refusals.length).toBeGreaterThan(0) // the service answered 403
  for (const answer of answers) expect(answer).toMatchObject(HELLO)
  expect(await browser.walks(1)).toHaveLength(1) // one sign-in for all that wait
  expect(stage.sso.seenAt("/authorize")).toHaveLength(1)
})

test("2.5: no session at all is told before anything is sent, and not as an ended one", async () => {
  await using stage = await makeStage()
  await using client = startClient(stage.home, ["run", "my-mcp", "--config", stage.config])

  await client.open()
  const told = JSON.stringify(await client.request("tools/call", call))

  expect(told).toContain("There is no SSO session for the AWS profile")
  expect(told).toContain("postern auth my-mcp")
  expect(stage.endpoint.seen).toEqual([])
})

test("2.5: a session that can be renewed is, without anybody noticing", async () => {
  await using stage = await makeStage()
  await stage.signIn()
  const cache = join(stage.home.path, ".aws/sso/cache")
  for (const name of await readdir(cache)) await makeOld(join(cache, name))
  await using client = startClient(stage.home, ["run", "my-mcp", "--config", stage.config])

  await client.open()
  const answer = await client.request("tools/call", call)

  expect(answer).toMatchObject(HELLO)
  expect(stage.sso.seenAt("/token").some(({ body }) => body["grantType"] === "refresh_token")).toBe(true)
  expect(stage.sso.refusals).toEqual([])
})

test("3.1: list says where an SSO session lies, until when, and that a sign-in is needed where there is none", async () => {
  await using stage = await makeStage()
  await stage.home.postern([
    "add-json",
    "my-mcp",
    JSON.stringify({ type: "http", url: stage.endpoint.url, aws: { profile: "dev", service: "execute-api", region: "us-east-1" } }),
  ])
  const listed = async () =>
    (JSON.parse((await stage.home.postern(["list", "--json"])).stdout) as { servers: readonly Listed[] }).servers[0]

  const before = await listed()
  await stage.signIn()
  const after = await listed()

  expect(before).toMatchObject({ method: "aws", needsSignIn: true, problem: { code: "aws-sso-ended" } })
  expect(after).toMatchObject({ needsSignIn: false, problem: null, storedIn: [expect.stringContaining(".aws/sso/cache/")] })
  expect(Date.parse(after?.expiresAt ?? "")).toBeGreaterThan(Date.now())
})

interface Listed {
  readonly expiresAt: string | null
}

test("2.5: variables that the client has stripped from our environment are told as that", async () => {
  await using stage = await makeStage()
  const home = { ...stage.home, env: { ...stage.home.env, CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: "1", HOME: join(stage.home.path, "empty") } }
  const entry = { type: "http", url: stage.endpoint.url, aws: { service: "execute-api", region: "us-east-1" } }
  await using client = startClient(home, ["run", "bare", "--config", await stage.home.config({ bare: entry })])

  const opened = JSON.stringify(await client.open())

  expect(opened).toContain("aws-no-credentials")
  expect(opened).toContain("CLAUDE_CODE_SUBPROCESS_ENV_SCRUB=1: Claude Code takes cloud credentials out")
  expect(stage.endpoint.seen).toEqual([])
})

/** As the file of a token is the morning after. */
async function makeOld(path: string): Promise<void> {
  const kept = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>
  if (kept["accessToken"] === undefined) return // a registration
  await writeFile(path, JSON.stringify({ ...kept, expiresAt: "2026-01-01T00:00:00Z" }))
  await utimes(path, 0, 0)
}
