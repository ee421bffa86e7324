/** What the place gives to its programs: a web identity, a container, an instance. The built program, against doubles that verify. */
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { type Client, type Home, makeHome, startClient } from "../../harness/client.ts"
import { type AwsEndpoint, startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import { addSession, type Holder, type Holders } from "../../servers/aws/keys.ts"
import { startContainerCredentials, startInstanceMetadata } from "../../servers/aws/metadata.ts"
import { startSts, type Sts } from "../../servers/aws/sts.ts"

const ROLE = "arn:aws:iam::123456789012:role/workload"
const SESSION = (name: string): string => `arn:aws:sts::123456789012:assumed-role/workload/${name}`

interface Place extends AsyncDisposable {
  readonly holders: Holders
  readonly sts: Sts
  readonly endpoint: AwsEndpoint
  readonly home: Home
  /** Keys of the role, as the place itself has them. */
  readonly own: Holder
  /** A client's bridge in a place that says so much in its environment. */
  start(env: Readonly<Record<string, string>>): Client
}

async function makePlace(): Promise<Place> {
  const holders: Holders = new Map()
  const [sts, endpoint] = await Promise.all([startSts(holders), startAwsEndpoint({ holders })])
  const home = await makeHome({ USER: "anna", AWS_ENDPOINT_URL_STS: sts.url })
  const added = await home.postern(["add", "finance", "--aws", "--service", "execute-api", "--region", "ap-southeast-1", endpoint.url])
  expect(added).toMatchObject({ code: 0 })
  return {
    holders,
    sts,
    endpoint,
    home,
    own: addSession(holders, { role: ROLE, session: "i-0123456789", seconds: 3600 }),
    start: (env) => startClient({ ...home, env: { ...home.env, ...env } }, ["run", "finance"]),
    async [Symbol.asyncDispose]() {
      await endpoint.close()
      await sts[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

/** What the environment of a container says. */
const inContainer = (url: string, token: string): Readonly<Record<string, string>> => ({
  AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials`,
  AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
})

const said = (error: unknown): string => JSON.stringify(error)

test("2.2: the keys of a container sign, where nothing else names an identity", async () => {
  await using place = await makePlace()
  await using container = await startContainerCredentials(place.own, "token-of-the-container")
  await using client = place.start(inContainer(container.url, "token-of-the-container"))

  const answer = await client.open()

  expect(answer.result).toMatchObject({ serverInfo: { name: "test" } })
  expect(new Set(place.endpoint.callers)).toEqual(new Set([place.own]))
  expect(container.seen).toEqual(["GET /v1/credentials 200"])
  expect(client.stderr()).toContain("the keys come from the container that this runs in")
})

test("2.2: a container that refuses the token of the environment is told as that, and nothing is sent", async () => {
  await using place = await makePlace()
  await using container = await startContainerCredentials(place.own, "token-of-the-container")
  await using client = place.start(inContainer(container.url, "stale-token-123"))

  const answer = await client.open()

  expect(container.seen).toContain("GET /v1/credentials 401") // the trap was reached
  expect(answer.error?.data).toMatchObject({ code: "aws-credentials-failed", cause: expect.stringContaining("container") })
  expect(said(answer.error)).not.toContain("stale-token-123")
  expect(place.endpoint.seen).toEqual([])
})

test("2.2: the keys of an instance sign; its metadata are asked for with a token (IMDSv2)", async () => {
  await using place = await makePlace()
  await using instance = await startInstanceMetadata(place.own)
  await using client = place.start({ AWS_EC2_METADATA_SERVICE_ENDPOINT: instance.url })

  const answer = await client.open()

  expect(answer.result).toMatchObject({ serverInfo: { name: "test" } })
  expect(new Set(place.endpoint.callers)).toEqual(new Set([place.own]))
  expect(instance.seen[0]).toBe("PUT /latest/api/token 200")
  expect(instance.seen.filter((line) => !line.endsWith(" 200"))).toEqual([])
})

test("2.2: an instance without a role is told as nothing to sign with, and nothing is sent", async () => {
  await using place = await makePlace()
  await using instance = await startInstanceMetadata(place.own)
  instance.holder = undefined
  await using client = place.start({ AWS_EC2_METADATA_SERVICE_ENDPOINT: instance.url })

  const answer = await client.open()

  expect(instance.seen.length).toBeGreaterThan(0) // the trap was reached
  expect(answer.error?.data).toMatchObject({ code: "aws-no-credentials" })
  expect(place.endpoint.seen).toEqual([])
})

test("2.2: the web identity that the environment names is exchanged for the role, again once its token is another", async () => {
  await using place = await makePlace()
  const file = join(place.home.path, "token")
  const env = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: ROLE, AWS_ROLE_SESSION_NAME: "pod-7" }
  place.sts.roles.set(ROLE, { trusts: [], webIdentityToken: "token-of-the-cluster" })
  await writeFile(file, "token-of-another-cluster")
  await using client = place.start(env)

  // Without an initialized: it would ask for keys once more, and what comes next would share the answer to the former token.
  const refused = await client.request("initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  })
  await writeFile(file, "token-of-the-cluster")
  const opened = await client.open()

  expect(place.sts.refusals).toContainEqual({ action: "AssumeRoleWithWebIdentity", type: "InvalidIdentityToken" })
  expect(refused.error?.data?.code).toBe("aws-call-failed")
  expect(said(refused.error)).toContain("InvalidIdentityToken")
  expect(said(refused.error)).not.toContain("token-of-another-cluster")
  expect(opened.result).toMatchObject({ serverInfo: { name: "test" } })
  expect(new Set(place.endpoint.callers.map(({ arn }) => arn))).toEqual(new Set([SESSION("pod-7")]))
  expect(place.sts.callsOf("AssumeRoleWithWebIdentity")).toHaveLength(1)
})

test("2.2: a web identity whose token file is not there is told with the variable, and nothing is sent", async () => {
  await using place = await makePlace()
  const file = join(place.home.path, "token")
  await rm(file, { force: true })
  await using client = place.start({ AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: ROLE })

  const answer = await client.open()

  expect(answer.error?.data).toMatchObject({
    code: "aws-credentials-failed",
    cause: expect.stringContaining("AWS_WEB_IDENTITY_TOKEN_FILE"),
  })
  expect(place.endpoint.seen).toEqual([])
})
