/** AccessDenied on AssumeRole, taken apart into its causes as far as the caller may look; what could not be checked is said. */
import { expect, test } from "vitest"
import { type DeniedAssume, explainAssumeDenied } from "../../../src/auth/aws/assume-denied.ts"
import { serverTime } from "../../../src/auth/aws/server-time.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { createHttp } from "../../../src/core/http.ts"
import { type Iam as IamDouble, type Simulation, startIam } from "../../servers/aws/iam.ts"
import { type Holder, type Holders, addUser } from "../../servers/aws/keys.ts"
import { startSts } from "../../servers/aws/sts.ts"

const ACCOUNT = "123456789012"
const ROLE = `arn:aws:iam::${ACCOUNT}:role/bot`
const never = new AbortController().signal

interface Case {
  readonly trust?: object | undefined
  readonly simulation?: Simulation
  readonly forbidden?: readonly string[]
  readonly tried?: Partial<DeniedAssume>
}

/** @returns the diagnosis, and what IAM was asked */
async function explain({ trust, simulation = { decision: "implicitDeny" }, forbidden = [], tried = {} }: Case) {
  const holders: Holders = new Map()
  const ada = addUser(holders, "ada")
  await using sts = await startSts(holders)
  await using iam = await startIam(holders, sts)
  if (trust !== undefined) iam.trust.set(ROLE, JSON.stringify({ Version: "2012-10-17", Statement: [trust] }))
  iam.simulation = simulation
  iam.forbidden.set(ada.arn, forbidden)
  const http = createHttp({ silenceMs: 5_000, connectMs: 5_000 })
  try {
    const env = { AWS_ENDPOINT_URL_IAM: iam.url }
    const asked = { server: "my-mcp", role: ROLE, caller: ada.arn, mfa: false, said: "", ...tried }
    const diagnosis = await explainAssumeDenied(asked, { http, env, time: serverTime(systemClock), keys: ada, partition: "aws" }, never)
    return { diagnosis, calls: callsOf(iam), ada }
  } finally {
    http.close()
  }
}

const callsOf = ({ calls }: IamDouble): readonly string[] => calls.map(({ action }) => action)

const trusting = (AWS: string, more: object = {}) => ({ Effect: "Allow", Principal: { AWS }, Action: "sts:AssumeRole", ...more })
const ROOT = `arn:aws:iam::${ACCOUNT}:root`
const NO_GET_ROLE = ["GetRole"]
const NOTHING = ["GetRole", "SimulatePrincipalPolicy"]

test.each<[string, string, Case]>([
  ["the role does not exist", "aws-role-missing", {}],
  ["the trust policy does not name the caller", "aws-role-not-trusting", { trust: trusting(`arn:aws:iam::${ACCOUNT}:user/bob`) }],
  ["the trust policy names a user that was deleted", "aws-role-not-trusting", { trust: trusting("AIDACKCEVSQ6C2EXAMPLE") }],
  [
    "no external id was given",
    "aws-role-external-id",
    { trust: trusting(ROOT, { Condition: { StringEquals: { "sts:ExternalId": "x" } } }) },
  ],
  [
    "a wrong external id was given",
    "aws-role-external-id",
    { trust: trusting(ROOT, { Condition: { StringEquals: { "sts:ExternalId": "x" } } }), tried: { externalId: "y" } },
  ],
  [
    "no code of an MFA device was given",
    "aws-role-mfa",
    { trust: trusting(ROOT, { Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } }) },
  ],
  ["the trust policy denies", "aws-role-denies", { trust: { ...trusting(ROOT), Effect: "Deny" } }],
  ["the caller lacks sts:AssumeRole", "aws-caller-may-not-assume", { trust: trusting(ROOT) }],
  ["a policy of the caller denies", "aws-caller-denied", { trust: trusting(ROOT), simulation: { decision: "explicitDeny" } }],
  [
    "the organization does not allow",
    "aws-assume-organization",
    { trust: trusting(ROOT), simulation: { decision: "implicitDeny", organization: false } },
  ],
  [
    "the permissions boundary does not allow",
    "aws-assume-boundary",
    { trust: trusting(ROOT), simulation: { decision: "implicitDeny", boundary: false } },
  ],
  ["everything allows, and STS does not know yet", "aws-assume-denied", { trust: trusting(ROOT), simulation: { decision: "allowed" } }],
  [
    "the role may not be read, and the caller's policies do not allow",
    "aws-caller-may-not-assume",
    { trust: trusting(ROOT), forbidden: NO_GET_ROLE },
  ],
  ["nothing may be read", "aws-assume-denied", { trust: trusting(ROOT), forbidden: NOTHING }],
  [
    "nothing may be read, and STS names the identity policy",
    "aws-caller-may-not-assume",
    {
      forbidden: NOTHING,
      tried: {
        said: `User: arn:aws:iam::${ACCOUNT}:user/ada is not authorized to perform: sts:AssumeRole on resource: ${ROLE} because no identity-based policy allows the sts:AssumeRole action`,
      },
    },
  ],
  [
    "nothing may be read, and STS names the resource policy",
    "aws-role-not-trusting",
    {
      forbidden: NOTHING,
      tried: {
        said: `User: arn:aws:iam::${ACCOUNT}:user/ada is not authorized to perform: sts:AssumeRole on resource: ${ROLE} because no resource-based policy allows the sts:AssumeRole action`,
      },
    },
  ],
])("when %s, it is told as %s", async (_, code, given) => {
  const { diagnosis, ada } = await explain(given)

  expect(diagnosis.code).toBe(code)
  expect(diagnosis.next).toBeTruthy()
  expect(diagnosis.evidence).toEqual(expect.arrayContaining([`role: ${ROLE}`, `caller: ${ada.arn}`]))
})

test.each([ROOT, `arn:aws:sts::${ACCOUNT}:federated-user/ada`])(
  "that %s can assume no role is told with what STS said, and IAM is not asked",
  async (caller) => {
    const { diagnosis, calls } = await explain({ tried: { caller, said: "Roles may not be assumed by root accounts." } })

    expect(diagnosis).toMatchObject({
      code: "aws-caller-cannot-assume",
      evidence: [`role: ${ROLE}`, `caller: ${caller}`, "STS said: Roles may not be assumed by root accounts."],
      next: "act as an IAM user or a role: choose another profile",
    })
    expect(calls).toEqual([])
  },
)

test("what is no ARN of a role at all is told as a role that does not exist", async () => {
  const { diagnosis, calls } = await explain({ tried: { role: "bot" } })

  expect(diagnosis.code).toBe("aws-role-missing")
  expect(calls).toEqual([])
})

test("a role of another account is not asked for, and that is said", async () => {
  const { diagnosis, calls } = await explain({
    tried: { role: "arn:aws:iam::999999999999:role/theirs" },
    simulation: { decision: "allowed" },
  })

  expect(diagnosis.code).toBe("aws-assume-denied")
  expect(diagnosis.evidence).toContain(
    "not checked: whether the role exists and whom it trusts: it belongs to the account 999999999999, and the caller to 123456789012",
  )
  expect(diagnosis.next).toBe("ask the role's owner whom it trusts")
  expect(calls).toEqual(["SimulatePrincipalPolicy"])
})

test("a role that names the caller needs no policy of the caller's", async () => {
  const { diagnosis } = await explain({ trust: trusting(`arn:aws:iam::${ACCOUNT}:user/ada`) })

  expect(diagnosis.code).toBe("aws-assume-denied") // an implicit deny is none here
  expect(diagnosis.evidence).toContain("checked: its trust policy names the caller")
})

test("what is deleted is named, what was not checked is said, and the likeliest cause comes first", async () => {
  const deleted = await explain({ trust: trusting("AIDACKCEVSQ6C2EXAMPLE") })
  const blind = await explain({ forbidden: NOTHING })

  expect(deleted.diagnosis.evidence).toContain("it names what was deleted: AIDACKCEVSQ6C2EXAMPLE")
  expect(deleted.diagnosis.next).toBe("postern aws trust my-mcp")
  expect(blind.diagnosis.evidence.filter((one) => one.startsWith("not checked"))).toHaveLength(3)
  expect(blind.diagnosis.evidence.find((one) => one.startsWith("left"))).toBe("left: the role's trust policy does not name the caller")
})

test("an IAM that cannot be reached is no reason to fail: the denial is told with what is left", async () => {
  const http = createHttp({ silenceMs: 5_000, connectMs: 5_000 })
  const keys: Holder = { accessKeyId: "AKIA1", secretAccessKey: "s", account: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:user/ada` }
  const iam = { http, env: { AWS_ENDPOINT_URL_IAM: "http://127.0.0.1:9" }, time: serverTime(systemClock), keys, partition: "aws" } as const

  const diagnosis = await explainAssumeDenied({ server: "", role: ROLE, caller: keys.arn, mfa: false, said: "no" }, iam, never)
  http.close()

  expect(diagnosis.code).toBe("aws-assume-denied")
})
