/** Roles that a profile asks for: through other profiles, with a code of an MFA device, and at an STS of its own. */
import { expect, test } from "vitest"
import { personWho } from "../../harness/interaction.ts"
import { addUser, toCredentialsFile } from "../../servers/aws/keys.ts"
import { type AwsStage, makeStage } from "./stage.ts"

const ROLE = "arn:aws:iam::123456789012:role/mcp-finance-bot-role"
const signal = new AbortController().signal
const codeOf = (code: string) => ({ diagnosis: { code } })

test("a role that a profile asks for is assumed, through every profile that it builds on, and the longest hour is kept to", async () => {
  await using stage = await makeStage()
  const base = addUser(stage.holders, "base")
  const hop = "arn:aws:iam::123456789012:role/hop"
  stage.sts.roles.set(hop, { trusts: [base.arn] }).set(ROLE, { trusts: [hop], externalId: "e-1" })
  await stage.write({
    credentials: toCredentialsFile("base", base),
    config: `[profile hop]\nrole_arn = ${hop}\nsource_profile = base\n[profile end]\nrole_arn = ${ROLE}\nsource_profile = hop\nexternal_id = e-1\nduration_seconds = 7200\n`,
  })

  await stage.call(stage.authenticator(stage.server({ aws: { profile: "end" } })))

  expect(stage.endpoint.callers.map(({ arn }) => arn)).toEqual([
    "arn:aws:sts::123456789012:assumed-role/mcp-finance-bot-role/postern-anna-finance",
  ])
  const [first, second] = stage.sts.callsOf("AssumeRole")
  expect(first?.caller).toBe(base)
  expect(second?.parameters["DurationSeconds"]).toBe("3600")
})

/** @returns a server whose profile takes a role with a code of anna's device */
async function askingForMfa(stage: AwsStage) {
  const anna = addUser(stage.holders, "anna")
  stage.sts.roles.set(ROLE, { trusts: [anna.arn], mfaCodes: new Set(["123456"]) })
  await stage.write({
    credentials: toCredentialsFile("base", anna),
    config: `[profile mfa]\nrole_arn = ${ROLE}\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/anna\n`,
  })
  return stage.server({ aws: { profile: "mfa" } })
}

test("a role that asks for MFA needs a person; the session that they make is used by who runs already", async () => {
  await using stage = await makeStage()
  const server = await askingForMfa(stage)
  const running = stage.authenticator(server)

  await expect(stage.call(running)).rejects.toMatchObject({
    diagnosis: { code: "aws-mfa-needed", kind: "sign-in", next: "postern auth finance" },
  })
  expect(stage.sts.calls).toEqual([])

  const asked: string[] = []
  const askText = async (question: string): Promise<string> => {
    asked.push(question)
    return "123 456"
  }
  await stage.authenticator(server).signIn(personWho({ askText }), signal)
  await stage.call(running)

  expect(asked).toEqual(["Code of the MFA device arn:aws:iam::123456789012:mfa/anna"])
  expect(stage.sts.callsOf("AssumeRole").map(({ parameters }) => parameters["TokenCode"])).toEqual(["123456"])
  expect(stage.endpoint.callers).toHaveLength(1)
})

test("a wrong code of the MFA device is told, and leaves no session", async () => {
  await using stage = await makeStage()
  const server = await askingForMfa(stage)

  const signIn = stage.authenticator(server).signIn(personWho({ askText: async () => "000000" }), signal)

  await expect(signIn).rejects.toMatchObject(codeOf("aws-mfa-code-wrong"))
  expect(stage.sts.refusals).toEqual([{ action: "AssumeRole", type: "AccessDenied" }])
  await expect(stage.call(stage.authenticator(server))).rejects.toMatchObject(codeOf("aws-mfa-needed"))
})

test.each([
  { what: "by endpoint_url", profile: (url: string) => `endpoint_url = ${url}\n`, variable: undefined },
  {
    what: "by its services, which win over its endpoint_url",
    profile: (url: string) =>
      `endpoint_url = http://127.0.0.1:9\nservices = near\n[services near]\ns3 =\n  endpoint_url = http://127.0.0.1:9\nsts =\n  endpoint_url = ${url}\n`,
    variable: undefined,
  },
  {
    what: "by the environment, which wins over the profile",
    profile: () => "endpoint_url = http://127.0.0.1:9\nservices = near\n[services near]\nsts =\n  endpoint_url = http://127.0.0.1:9\n",
    variable: "AWS_ENDPOINT_URL",
  },
])("STS is asked where it is said to be $what", async ({ profile, variable }) => {
  await using stage = await makeStage()
  const base = addUser(stage.holders, "base")
  stage.sts.roles.set(ROLE, { trusts: [base.arn] })
  delete stage.env["AWS_ENDPOINT_URL_STS"]
  if (variable !== undefined) stage.env[variable] = stage.sts.url
  const config = `[profile near]\nrole_arn = ${ROLE}\nsource_profile = base\n${profile(stage.sts.url)}`
  await stage.write({ credentials: toCredentialsFile("base", base), config })

  await stage.call(stage.authenticator(stage.server({ aws: { profile: "near" }, pin: { role: ROLE } })))

  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(1)
  expect(stage.endpoint.callers).toHaveLength(1)
})

test("an endpoint that a profile names over http is not asked on another machine", async () => {
  await using stage = await makeStage()
  delete stage.env["AWS_ENDPOINT_URL_STS"]
  const config = `[profile far]\nrole_arn = ${ROLE}\nsource_profile = base\nendpoint_url = http://sts.example\n`
  await stage.write({ credentials: toCredentialsFile("base", addUser(stage.holders, "base")), config })

  await expect(stage.call(stage.authenticator(stage.server({ aws: { profile: "far" } })))).rejects.toMatchObject(codeOf("aws-unencrypted"))

  expect(stage.endpoint.seen).toEqual([])
})
