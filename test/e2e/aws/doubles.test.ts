/** The double of STS, held against those who speak to the real one: the AWS SDK's client and the AWS CLI. */
import { execFile, execFileSync } from "node:child_process"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { requireJudge } from "../../harness/judges.ts"
import { addUser, type Holder, type Holders, toVariables } from "../../servers/aws/keys.ts"
import { startSts } from "../../servers/aws/sts.ts"

/** The part of `@aws-sdk/client-sts` that is used. */
interface SdkSts {
  readonly STSClient: new (settings: object) => { send(command: object): Promise<Record<string, unknown>>; destroy(): void }
  readonly GetCallerIdentityCommand: new (input: object) => object
  readonly AssumeRoleCommand: new (input: object) => object
}

const ROLE = "arn:aws:iam::123456789012:role/finance"
const sdk = (): SdkSts => requireJudge("@aws-sdk/client-sts") as SdkSts // its public face

function sdkClient(endpoint: string, holder: Holder): InstanceType<SdkSts["STSClient"]> {
  const { accessKeyId, secretAccessKey, sessionToken } = holder
  return new (sdk().STSClient)({
    endpoint,
    region: "ap-southeast-1",
    credentials: { accessKeyId, secretAccessKey, sessionToken },
    maxAttempts: 1,
  })
}

test("the AWS SDK's client asks the double who it is, assumes a role, and asks again as the role", async () => {
  const holders: Holders = new Map()
  await using sts = await startSts(holders)
  const anna = addUser(holders, "anna")
  sts.roles.set(ROLE, { trusts: [anna.arn], externalId: "e-1" })
  const client = sdkClient(sts.url, anna)
  const { GetCallerIdentityCommand, AssumeRoleCommand } = sdk()

  const caller = await client.send(new GetCallerIdentityCommand({}))
  const lent = await client.send(new AssumeRoleCommand({ RoleArn: ROLE, RoleSessionName: "test", ExternalId: "e-1" }))
  const { AccessKeyId, SecretAccessKey, SessionToken } = lent["Credentials"] as Record<string, string>
  const role = { ...anna, accessKeyId: AccessKeyId ?? "", secretAccessKey: SecretAccessKey ?? "", sessionToken: SessionToken ?? "" }
  const asRole = await sdkClient(sts.url, role).send(new GetCallerIdentityCommand({}))

  expect(caller).toMatchObject({ Arn: anna.arn, Account: anna.account })
  expect(asRole).toMatchObject({ Arn: "arn:aws:sts::123456789012:assumed-role/finance/test" })
})

test.each([
  { what: "a wrong secret", change: (anna: Holder) => ({ ...anna, secretAccessKey: "wrong" }), error: "SignatureDoesNotMatch" },
  { what: "an unknown key", change: (anna: Holder) => ({ ...anna, accessKeyId: "AKIANOBODY" }), error: "InvalidClientTokenId" },
  { what: "a token that is not its own", change: (anna: Holder) => ({ ...anna, sessionToken: "foreign" }), error: "InvalidClientTokenId" },
])("the double refuses $what, in a form that the SDK understands", async ({ change, error }) => {
  const holders: Holders = new Map()
  await using sts = await startSts(holders)
  const client = sdkClient(sts.url, change(addUser(holders, "anna")))

  await expect(client.send(new (sdk().GetCallerIdentityCommand)({}))).rejects.toMatchObject({ name: error })
})

test("the double refuses a role to whom it does not trust, in a form that the SDK understands", async () => {
  const holders: Holders = new Map()
  await using sts = await startSts(holders)
  sts.roles.set(ROLE, { trusts: ["arn:aws:iam::123456789012:user/ben"] })
  const client = sdkClient(sts.url, addUser(holders, "anna"))

  const asked = client.send(new (sdk().AssumeRoleCommand)({ RoleArn: ROLE, RoleSessionName: "test" }))

  await expect(asked).rejects.toMatchObject({
    name: "AccessDenied",
    message: expect.stringContaining("not authorized to perform: sts:AssumeRole"),
  })
})

function hasAwsCli(): boolean {
  try {
    execFileSync("aws", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

test.skipIf(!hasAwsCli())("the AWS CLI asks the double who it is, and is refused with a wrong secret", async () => {
  const holders: Holders = new Map()
  await using sts = await startSts(holders)
  const anna = addUser(holders, "anna")
  const whoami = async (holder: Holder): Promise<string> => {
    const env = { PATH: process.env["PATH"], HOME: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true", ...toVariables(holder) }
    const args = ["sts", "get-caller-identity", "--endpoint-url", sts.url, "--region", "ap-southeast-1", "--output", "json"]
    return (await promisify(execFile)("aws", args, { env })).stdout
  }

  expect(JSON.parse(await whoami(anna))).toMatchObject({ Arn: anna.arn, Account: anna.account })
  await expect(whoami({ ...anna, secretAccessKey: "wrong" })).rejects.toMatchObject({
    stderr: expect.stringContaining("SignatureDoesNotMatch"),
  })
})
