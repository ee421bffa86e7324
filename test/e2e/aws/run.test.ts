/** The method `aws` from outside: added, listed, run by a client, against a server that verifies every signature. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { type Home, makeHome, startClient } from "../../harness/client.ts"
import { type AwsEndpoint, startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import { addUser, type Holders, toCredentialsFile, toVariables } from "../../servers/aws/keys.ts"
import { startSts, type Sts } from "../../servers/aws/sts.ts"

interface Small extends AsyncDisposable {
  readonly holders: Holders
  readonly sts: Sts
  readonly endpoint: AwsEndpoint
  readonly home: Home
  /** Adds the endpoint as "finance", with more options. */
  add(...options: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
  credentials(text: string): Promise<void>
}

const WHERE = ["--service", "execute-api", "--region", "ap-southeast-1"]
const call = (text: string) => ({ name: "echo", arguments: { text } })

async function makeSmall(): Promise<Small> {
  const holders: Holders = new Map()
  const [sts, endpoint] = await Promise.all([startSts(holders), startAwsEndpoint({ holders })])
  const home = await makeHome({ USER: "anna", AWS_ENDPOINT_URL_STS: sts.url, AWS_EC2_METADATA_DISABLED: "true" })
  return {
    holders,
    sts,
    endpoint,
    home,
    add: (...options) => home.postern(["add", "finance", "--aws", ...options, endpoint.url]),
    async credentials(text) {
      await mkdir(join(home.path, ".aws"), { recursive: true })
      await writeFile(join(home.path, ".aws/credentials"), text)
    },
    async [Symbol.asyncDispose]() {
      await endpoint.close()
      await sts[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

test("2.6: a server is added with a profile and a pin, and both are shown by list before anything is sent", async () => {
  await using small = await makeSmall()
  const anna = addUser(small.holders, "anna")
  await small.credentials(toCredentialsFile("dev", anna))

  const added = await small.add("--profile", "dev", "--pin-account", anna.account, ...WHERE)
  const listed = await small.home.postern(["list", "--json"])

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(JSON.parse(await small.home.postern(["get", "finance", "--json"]).then(({ stdout }) => stdout))).toMatchObject({ method: "aws" })
  expect(JSON.parse(listed.stdout)).toMatchObject({
    servers: [{ name: "finance", method: "aws", identity: { source: expect.stringContaining("the AWS profile dev") }, needsSignIn: false }],
  })
  expect(small.endpoint.seen).toEqual([])
})

test("2.6: a client reaches the server as the profile, and the identity is told when the bridge begins", async () => {
  await using small = await makeSmall()
  const anna = addUser(small.holders, "anna")
  await small.credentials(toCredentialsFile("dev", anna))
  await small.add("--profile", "dev", "--pin-account", anna.account, ...WHERE)
  await using client = startClient(small.home, ["run", "finance"])

  await client.open()
  const answer = await client.request("tools/call", call("größe"))

  expect(answer.result).toEqual({ content: [{ type: "text", text: "größe" }] })
  expect(small.endpoint.callers.every((caller) => caller === anna)).toBe(true)
  expect(small.endpoint.refusals).toEqual([])
  expect(client.stderr()).toContain(
    `Requests to "finance" are signed as ${anna.arn} (account ${anna.account}); the keys come from the AWS profile dev`,
  )
})

test("2.1: a custom domain is refused when it is added, with the flags that are missing", async () => {
  await using home = await makeHome()

  const added = await home.postern(["add", "finance", "--aws", "https://mcp.example.com/prod/mcp"])

  expect(added.code).toBe(2)
  expect(added.stderr).toContain("--service execute-api --region ap-southeast-1")
  expect(await home.postern(["list", "--json"])).toMatchObject({ stdout: expect.stringContaining('"servers": []') })
})

test.each([
  [["--profile", "dev"], "The options of AWS go with --aws."],
  [["--aws", "--tag", "team"], "A --tag is not KEY=VALUE."],
  [["--aws", "--duration", "soon"], "--duration is a number of seconds."],
])("add %j is wrong usage", async (options, told) => {
  await using home = await makeHome()

  const added = await home.postern(["add", "finance", ...options, "https://a.execute-api.eu-west-1.amazonaws.com/mcp"])

  expect(added).toMatchObject({ code: 2, stderr: expect.stringContaining(told) })
})

test("2.6: another account in mid-session is answered in the protocol, and gone on with after postern auth", async () => {
  await using small = await makeSmall()
  const [dev, prod] = [addUser(small.holders, "anna"), addUser(small.holders, "anna", "999999999999")]
  await small.credentials(toCredentialsFile("default", dev))
  await small.add(...WHERE)
  await using client = startClient(small.home, ["run", "finance"])
  await client.open()
  await client.request("tools/call", call("as dev"))

  await small.credentials(toCredentialsFile("default", prod))
  const stopped = await client.request("tools/call", call("as whom"))

  expect(stopped.error?.data).toMatchObject({ code: "aws-identity-changed", next: "postern auth finance, if that is meant to be" })
  expect(small.endpoint.callers.filter((caller) => caller === prod)).toEqual([])

  const confirmed = await small.home.postern(["auth", "finance"])
  const answer = await client.request("tools/call", call("as prod"))

  expect(confirmed).toMatchObject({ code: 0 })
  expect(answer.result).toEqual({ content: [{ type: "text", text: "as prod" }] })
  expect(small.endpoint.callers.at(-1)).toBe(prod)
})

test("2.3: twenty calls of four processes, with nothing in memory, make one AssumeRole", async () => {
  await using small = await makeSmall()
  const role = "arn:aws:iam::123456789012:role/mcp-finance-bot-role"
  const anna = addUser(small.holders, "anna")
  small.sts.roles.set(role, { trusts: [anna.arn] })
  await small.credentials(toCredentialsFile("default", anna))
  await small.add("--assume-role", role, ...WHERE)
  const clients = Array.from({ length: 4 }, () => startClient(small.home, ["run", "finance"]))
  try {
    await Promise.all(clients.map((client) => client.open()))
    const answers = await Promise.all(
      clients.flatMap((client) => Array.from({ length: 5 }, (_, at) => client.request("tools/call", call(`call ${at}`)))),
    )

    expect(answers.filter(({ result }) => result === undefined)).toEqual([])
    expect(small.sts.callsOf("AssumeRole")).toHaveLength(1)
    expect(new Set(small.endpoint.callers.map(({ arn }) => arn))).toEqual(
      new Set(["arn:aws:sts::123456789012:assumed-role/mcp-finance-bot-role/postern-anna-finance"]),
    )
  } finally {
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
  }
})

test("2.2: a source that is broken when the client starts is told, and mended without a restart", async () => {
  await using small = await makeSmall()
  const anna = addUser(small.holders, "anna")
  await small.add("--profile", "dev", ...WHERE)
  await using client = startClient(small.home, ["run", "finance"])

  const refused = await client.open()
  await small.credentials(toCredentialsFile("dev", anna))
  const opened = await client.open()

  expect(refused.error?.data).toMatchObject({ code: "aws-profile-unknown" })
  expect(client.stderr()).toContain('There is no AWS profile "dev".')
  expect(opened.result).toMatchObject({ serverInfo: { name: "test" } })
  expect(small.endpoint.callers.length).toBeGreaterThan(0)
})

test("a bridge with a header loads nothing of AWS, and one that signs with keys does not load the SDK", async () => {
  await using small = await makeSmall()
  const hook = join(small.home.path, "loaded.cjs")
  await writeFile(hook, `process.on("exit", () => require("node:fs").writeSync(2, Object.keys(require.cache).join("\\n") + "\\n"))`)
  const config = await small.home.config({
    header: { type: "http", url: small.endpoint.url, headers: { "X-Api-Key": "${KEY}" } },
    signed: { type: "http", url: small.endpoint.url, aws: { service: "execute-api", region: "ap-southeast-1" } },
  })
  const loadedBy = async (name: string): Promise<string> => {
    const env = { ...small.home.env, NODE_OPTIONS: `--require ${hook}`, KEY: "key-123456", ...toVariables(addUser(small.holders, "anna")) }
    await using client = startClient({ ...small.home, env }, ["run", name, "--config", config])
    await client.open()
    client.child.stdin.end()
    await client.exited
    return client.stderr()
  }

  const [header, signed] = [await loadedBy("header"), await loadedBy("signed")]

  expect(header).toContain("/dist/start-") // the hook saw what was loaded
  expect(header).not.toMatch(/\/dist\/aws|@aws-sdk|@smithy/)
  expect(signed).toMatch(/\/dist\/aws/)
  expect(signed).not.toMatch(/@aws-sdk|@smithy/)
})
