/**
 * `aws-mcp-proxy` and `aws-role-mcp-proxy`: the guide's two JSON blocks as they stand there, started as a client starts them, against
 * the real host names.
 */
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { connectForeignClient, sdks } from "../../harness/foreign-client.ts"
import { startProgram } from "../../harness/client.ts"
import { type AwsEndpoint, startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import { type AwsFront, startAwsFront } from "../../servers/aws/front.ts"
import { addUser, type Holders, toCredentialsFile, toVariables } from "../../servers/aws/keys.ts"
import { startSts, type Sts } from "../../servers/aws/sts.ts"

const program = (name: string): string => fileURLToPath(new URL(`../../../dist/bin/${name}.js`, import.meta.url))
const ENDPOINT_HOST = "my-mcp-service.execute-api.ap-southeast-1.amazonaws.com"
const STS_HOST = "sts.ap-southeast-1.amazonaws.com"
const ROLE = "arn:aws:iam::123456789012:role/mcp-finance-bot-role"

/** What the guide has a user paste into the configuration of a client; only the path is this machine's. */
const GUIDE = {
  profile: {
    command: "node",
    args: [program("aws-mcp-proxy")],
    env: { AWS_PROFILE: "my-dev-profile", AWS_REGION: "ap-southeast-1", MCP_ENDPOINT: `https://${ENDPOINT_HOST}/prod` },
  },
  role: {
    command: "node",
    args: [program("aws-role-mcp-proxy")],
    env: { ASSUME_ROLE_ARN: ROLE, AWS_REGION: "ap-southeast-1", MCP_ENDPOINT: `https://${ENDPOINT_HOST}/prod` },
  },
} as const

interface Aws extends AsyncDisposable {
  readonly holders: Holders
  readonly sts: Sts
  readonly endpoint: AwsEndpoint
  readonly front: AwsFront
  /** A home of its own, and the way to the doubles: what a client's own environment would be. */
  readonly env: Readonly<Record<string, string>>
  readonly home: string
  credentials(text: string): Promise<void>
}

async function makeAws(): Promise<Aws> {
  const holders: Holders = new Map()
  const [sts, endpoint] = await Promise.all([startSts(holders), startAwsEndpoint({ holders })])
  const front = await startAwsFront({ [ENDPOINT_HOST]: endpoint.url, [STS_HOST]: sts.url })
  const home = await mkdtemp(join(tmpdir(), "postern-aws-"))
  return {
    holders,
    sts,
    endpoint,
    front,
    home,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      USER: "anna",
      XDG_RUNTIME_DIR: home,
      AWS_EC2_METADATA_DISABLED: "true",
      ...front.env,
    },
    async credentials(text) {
      await mkdir(join(home, ".aws"), { recursive: true })
      await writeFile(join(home, ".aws/credentials"), text)
    },
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await endpoint.close()
      await sts[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

test.each(sdks)("2.1: the guide's first block works as it stands, with the client of $title", async (sdk) => {
  await using aws = await makeAws()
  const dev = addUser(aws.holders, "dev")
  await aws.credentials(toCredentialsFile("my-dev-profile", dev))
  const { command, args, env } = GUIDE.profile

  await using client = await connectForeignClient(sdk, { command, args, env: { ...aws.env, ...env } })

  expect(await client.call("echo", { text: "größe" })).toMatchObject({ content: [{ type: "text", text: "größe" }] })
  expect(aws.front.asked).toContain(ENDPOINT_HOST) // the name is the real one
  expect(new Set(aws.endpoint.seen.map(({ headers, path }) => `${headers.host}${path}`))).toEqual(new Set([`${ENDPOINT_HOST}/prod`]))
  expect(new Set(aws.endpoint.callers)).toEqual(new Set([dev]))
  expect(aws.endpoint.refusals).toEqual([])
})

test("2.1: what is changed between the program and the server is refused, so the server's door is a real one", async () => {
  await using aws = await makeAws()
  await aws.credentials(toCredentialsFile("my-dev-profile", addUser(aws.holders, "dev")))
  aws.endpoint.tamper = (request) => ({ ...request, body: request.body.replace("2025-11-25", "2025-06-18") })
  await using client = startProgram(program("aws-mcp-proxy"), { ...aws.env, ...GUIDE.profile.env })

  const answer = await client.open()

  expect(answer.error?.data).toMatchObject({ code: "aws-signature-mismatch" })
  expect(aws.endpoint.callers).toEqual([])
})

test("2.3: the guide's second block works as it stands: the server sees only the role", async () => {
  await using aws = await makeAws()
  const anna = addUser(aws.holders, "anna")
  aws.sts.roles.set(ROLE, { trusts: [anna.arn] })
  const { command, args, env } = GUIDE.role

  await using client = await connectForeignClient(sdks[1]!, { command, args, env: { ...aws.env, ...toVariables(anna), ...env } })

  expect(await client.call("echo", { text: "as a role" })).toMatchObject({ content: [{ type: "text", text: "as a role" }] })
  expect(aws.front.asked).toContain(STS_HOST) // the regional one
  expect(new Set(aws.endpoint.callers.map(({ arn }) => arn))).toEqual(
    new Set(["arn:aws:sts::123456789012:assumed-role/mcp-finance-bot-role/postern-anna-aws-role-mcp-proxy"]),
  )
  expect(aws.sts.callsOf("AssumeRole")).toHaveLength(1)
})

test("2.3: a role that does not trust the caller is told in the protocol, and nothing reaches the server", async () => {
  await using aws = await makeAws()
  const anna = addUser(aws.holders, "anna")
  aws.sts.roles.set(ROLE, { trusts: [] })
  await using client = startProgram(program("aws-role-mcp-proxy"), { ...aws.env, ...toVariables(anna), ...GUIDE.role.env })

  const answer = await client.open()

  expect(answer.error?.data?.evidence.join()).toContain("is not authorized to perform: sts:AssumeRole")
  expect(new Set(aws.sts.refusals.map(({ type }) => type))).toEqual(new Set(["AccessDenied"])) // at the start, and for the message
  expect(aws.endpoint.seen).toEqual([])
})

test("2.2: AWS_PROFILE beside AWS_ACCESS_KEY_ID is refused in the protocol and on stderr, and both are named", async () => {
  await using aws = await makeAws()
  const [dev, prod] = [addUser(aws.holders, "dev"), addUser(aws.holders, "prod", "999999999999")]
  await aws.credentials(toCredentialsFile("my-dev-profile", dev))
  await using client = startProgram(program("aws-mcp-proxy"), { ...aws.env, ...toVariables(prod), ...GUIDE.profile.env })

  const answer = await client.open()

  expect(answer.error?.data).toMatchObject({
    code: "aws-sources-disagree",
    evidence: expect.arrayContaining(["AWS_PROFILE is set", "AWS_ACCESS_KEY_ID is set"]),
  })
  expect(client.stderr()).toContain("AWS_ACCESS_KEY_ID is set")
  expect(aws.endpoint.seen).toEqual([])
})

test("2.2: the keys of the shell sign, where no profile is named", async () => {
  await using aws = await makeAws()
  const anna = addUser(aws.holders, "anna")
  const { MCP_ENDPOINT } = GUIDE.profile.env
  await using client = startProgram(program("aws-mcp-proxy"), { ...aws.env, ...toVariables(anna), MCP_ENDPOINT })

  await client.open()
  const answer = await client.request("tools/call", { name: "echo", arguments: { text: "hello" } })

  expect(answer.result).toEqual({ content: [{ type: "text", text: "hello" }] })
  expect(new Set(aws.endpoint.callers)).toEqual(new Set([anna]))
  expect(client.stderr()).toContain(`are signed as ${anna.arn} (account ${anna.account})`)
})

test.each([
  ["aws-mcp-proxy", {}, "aws-variable-missing", "aws-mcp-proxy needs the variable MCP_ENDPOINT, and it is not set"],
  ["aws-role-mcp-proxy", { MCP_ENDPOINT: `https://${ENDPOINT_HOST}/prod` }, "aws-variable-missing", "needs the variable ASSUME_ROLE_ARN"],
  [
    "aws-mcp-proxy",
    { MCP_ENDPOINT: "my-mcp-service" },
    "aws-variable-invalid",
    "cannot use the variable MCP_ENDPOINT: it is not a whole address",
  ],
  ["aws-mcp-proxy", { MCP_ENDPOINT: "https://${HOST}/prod" }, "aws-variable-invalid", "that the client has not replaced"],
  [
    "aws-role-mcp-proxy",
    { MCP_ENDPOINT: `https://${ENDPOINT_HOST}/prod`, ASSUME_ROLE_ARN: "finance" },
    "aws-variable-invalid",
    "it is no ARN of a role",
  ],
  [
    "aws-mcp-proxy",
    { MCP_ENDPOINT: "https://mcp.example.com/prod" },
    "aws-endpoint-unknown",
    "does not tell for which AWS service and region",
  ],
])("2.1: %s with %j says in one sentence what is wrong, in the protocol and on stderr", async (...[name, env, code, sentence]) => {
  const home = await mkdtemp(join(tmpdir(), "postern-aws-"))
  try {
    await using client = startProgram(program(name), { PATH: process.env["PATH"] ?? "", HOME: home, ...env })

    const answer = await client.open()

    expect(answer.error?.data).toMatchObject({ code })
    expect(answer.error?.message).toContain(sentence)
    expect(client.stderr()).toContain(sentence)
    expect(client.garbage).toEqual([])
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
})

test.each(["aws-mcp-proxy", "aws-role-mcp-proxy"])("2.1: %s --help and --version say what it is, and need no variable", async (name) => {
  const ask = promisify(execFile)

  const [help, version] = await Promise.all(
    ["--help", "--version"].map((word) => ask(process.execPath, [program(name), word], { env: {} })),
  )

  expect(help?.stdout).toContain(`{"command":"${name}","env":{`)
  for (const variable of ["MCP_ENDPOINT", "AWS_PROFILE", "AWS_REGION"]) expect(help?.stdout).toContain(`  ${variable} `)
  expect(version?.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test("2.3: the authority that AWS_CA_BUNDLE names is known on the way to STS and to the server, and is told when it cannot be read", async () => {
  await using aws = await makeAws()
  const anna = addUser(aws.holders, "anna")
  aws.sts.roles.set(ROLE, { trusts: [anna.arn] })
  const { NODE_EXTRA_CA_CERTS: bundle = "", ...env } = { ...aws.env, ...toVariables(anna), ...GUIDE.role.env }
  await using stranger = startProgram(program("aws-role-mcp-proxy"), env)
  await using lost = startProgram(program("aws-role-mcp-proxy"), { ...env, AWS_CA_BUNDLE: "/nowhere/ca.pem" })
  await using client = startProgram(program("aws-role-mcp-proxy"), { ...env, AWS_CA_BUNDLE: bundle })

  const [unknown, missing] = [await stranger.open(), await lost.open()]
  const seenBefore = aws.endpoint.seen.length
  const answer = await client.open()

  expect(unknown.error?.data?.evidence.join()).toMatch(/certificate/i)
  expect(missing.error?.data).toMatchObject({ code: "certificate-unusable", cause: expect.stringContaining("AWS_CA_BUNDLE") })
  expect(seenBefore).toBe(0)
  expect(answer.result).toMatchObject({ serverInfo: { name: "test" } })
  expect(aws.sts.callsOf("AssumeRole")).toHaveLength(1)
})

test("the programs need no configuration, and leave no key in any file", async () => {
  await using aws = await makeAws()
  const anna = addUser(aws.holders, "anna")
  aws.sts.roles.set(ROLE, { trusts: [anna.arn] })
  {
    await using client = startProgram(program("aws-role-mcp-proxy"), { ...aws.env, ...toVariables(anna), ...GUIDE.role.env })
    await client.open()
  }

  const names = await readdir(aws.home, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = (await Promise.all(files.map((file) => readFile(file, "latin1")))).join("\n")
  const [lent] = aws.endpoint.callers
  expect(files.filter((file) => file.endsWith("config.json"))).toEqual([])
  expect(texts).toContain("assumed-role") // the session is in the vault, and there alone
  for (const secret of [anna.secretAccessKey, lent?.secretAccessKey, lent?.sessionToken]) expect(texts).not.toContain(secret)
})
