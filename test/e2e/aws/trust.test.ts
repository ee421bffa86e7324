/** Row 2.4: `postern aws trust` from outside, against an IAM and an STS that verify who asks. */
import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import type { ErrorObject } from "../../harness/postern.ts"
import { ROLE, makeAwsPerson } from "./stage.ts"

const LAMBDA = { Sid: "Lambda", Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }
const BEFORE = JSON.stringify({ Version: "2012-10-17", Statement: [LAMBDA] })

interface Trusted {
  readonly changed: boolean
  readonly backup: string | null
  readonly assumed: boolean | null
  readonly caller: string
  readonly problem: { readonly code: string } | null
}

test.concurrent("2.4: a statement is added, all others survive, the former policy is kept, and the role can be assumed", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)
  aws.iam.propagationTries = 1

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json"])
  const result = outcome.json<Trusted>()

  expect(outcome.code).toBe(0)
  expect(result).toMatchObject({ changed: true, assumed: true, caller: aws.ada.arn, problem: null })
  expect(JSON.parse(aws.iam.trust.get(ROLE) ?? "")).toEqual({
    Version: "2012-10-17",
    Statement: [LAMBDA, { Sid: "Postern1", Effect: "Allow", Principal: { AWS: aws.ada.arn }, Action: "sts:AssumeRole" }],
  })
  expect(JSON.parse(await readFile(result.backup ?? "", "utf8"))).toEqual(JSON.parse(BEFORE))
  expect(aws.sts.refusals.filter(({ action }) => action === "AssumeRole")).toHaveLength(1) // it was waited out
  expect(outcome.stderr).toContain("does not know the new policy yet")
})

test.concurrent("2.4: the difference is shown, and without a yes nothing is changed and nothing is kept", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev"])

  expect(outcome.code).toBe(4)
  expect(outcome.stdout).toContain('+       "Sid": "Postern1"')
  expect(outcome.stdout).toContain(`+         "AWS": "${aws.ada.arn}"`)
  expect(outcome.stdout).toContain('        "Sid": "Lambda"')
  expect(outcome.stderr).toContain("--yes")
  expect(aws.iam.trust.get(ROLE)).toBe(BEFORE)
  expect([...(await aws.person.files()).keys()].filter((path) => path.includes("aws-trust"))).toEqual([])
})

test.concurrent("2.4: who is trusted already is told so, and the policy is not touched", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)
  await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes"])
  const before = aws.iam.trust.get(ROLE)

  const again = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json"])

  expect(again.json<Trusted>()).toMatchObject({ changed: false, backup: null, assumed: true })
  expect(aws.iam.trust.get(ROLE)).toBe(before)
  expect(aws.iam.calls.filter(({ action }) => action === "UpdateAssumeRolePolicy")).toHaveLength(1)
})

test.concurrent("2.4: where nothing was changed, a denial is told at once, and not waited out as a policy that AWS does not know yet", async () => {
  await using aws = await makeAwsPerson()
  const root = { Effect: "Allow", Principal: { AWS: "arn:aws:iam::123456789012:root" }, Action: "sts:AssumeRole" }
  aws.iam.trust.set(ROLE, JSON.stringify({ Version: "2012-10-17", Statement: [root] }))

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json", "--wait", "20"])

  expect(outcome.json<Trusted>()).toMatchObject({ changed: false, assumed: false, problem: { code: "aws-caller-may-not-assume" } })
  expect(aws.sts.refusals.filter(({ action }) => action === "AssumeRole")).toHaveLength(1)
  expect(outcome.stderr).not.toContain("does not know the new policy yet")
})

test.concurrent("2.4: somebody else changes the policy for the one who is let in", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)
  aws.iam.forbidden.set(aws.ada.arn, ["GetRole", "UpdateAssumeRolePolicy", "SimulatePrincipalPolicy"])

  const alone = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json"])
  const helped = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--admin-profile", "admin", "--yes", "--json"])

  expect(alone.json<ErrorObject>().error.code).toBe("aws-call-failed")
  expect(helped.json<Trusted>()).toMatchObject({ changed: true, caller: aws.ada.arn, assumed: true })
  expect(aws.iam.calls.every(({ caller }) => caller === aws.admin.arn)).toBe(true)
})

test.concurrent("2.4: a policy that somebody has changed since it was shown is not written over", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)
  const theirs = JSON.stringify({ Version: "2012-10-17", Statement: [LAMBDA, { ...LAMBDA, Sid: "Theirs" }] })
  let reads = 0
  aws.iam.before = (action) => {
    if (action === "GetRole" && ++reads === 2) aws.iam.trust.set(ROLE, theirs)
  }

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json"])

  expect(outcome.json<ErrorObject>().error.code).toBe("aws-trust-changed")
  expect(aws.iam.trust.get(ROLE)).toBe(theirs)
})

test.concurrent("2.4: a wait that is no number is wrong usage before anything is asked or changed", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--wait", "soon"])

  expect(outcome).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--wait takes a number of seconds") })
  expect(aws.iam.trust.get(ROLE)).toBe(BEFORE)
  expect([...(await aws.person.files()).keys()].filter((path) => path.includes("aws-trust"))).toEqual([])
})

test.concurrent("2.4: what IAM refuses is told with what it said, and the role stays as it was", async () => {
  await using aws = await makeAwsPerson()
  const deleted = JSON.stringify({ Version: "2012-10-17", Statement: [{ ...LAMBDA, Principal: { AWS: "AIDACKCEVSQ6C2EXAMPLE" } }] })
  aws.iam.trust.set(ROLE, deleted)

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json"])

  expect(outcome.json<ErrorObject>().error).toMatchObject({
    code: "aws-trust-refused",
    evidence: expect.arrayContaining([expect.stringContaining("AIDACKCEVSQ6C2EXAMPLE")]),
  })
  expect(aws.iam.trust.get(ROLE)).toBe(deleted)
})

test.concurrent("2.4: a role that is not there is told as that", async () => {
  await using aws = await makeAwsPerson()

  const outcome = await aws.postern(["aws", "trust", "--role", ROLE, "--profile", "dev", "--yes", "--json"])

  expect(outcome.code).toBe(1)
  expect(outcome.json<ErrorObject>().error.code).toBe("aws-role-missing")
})

test.concurrent("2.4: a role of another account is not mistaken for the one of its name in the account of who asks", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)
  const theirs = ROLE.replace("123456789012", "999999999999")

  const outcome = await aws.postern(["aws", "trust", "--role", theirs, "--profile", "dev", "--yes", "--json"])

  expect(aws.iam.trust.get(ROLE)).toBe(BEFORE)
  expect(outcome.json<ErrorObject>().error).toMatchObject({ code: "aws-trust-elsewhere", next: expect.stringContaining("--admin-profile") })
  expect(aws.iam.calls).toEqual([])
})

test.concurrent("2.4: a role that is named without its ARN is told as that, and nobody is asked", async () => {
  await using aws = await makeAwsPerson()

  const outcome = await aws.postern(["aws", "trust", "--role", "mcp-finance-bot-role", "--profile", "dev", "--yes", "--json"])

  expect(outcome.json<ErrorObject>().error).toMatchObject({ code: "usage-wrong", cause: expect.stringContaining("no ARN of a role") })
  expect([aws.iam.calls, aws.sts.calls]).toEqual([[], []])
})

test.concurrent("2.4: the entry's role and external id are taken, and after it the server's identity is the role", async () => {
  await using aws = await makeAwsPerson()
  aws.iam.trust.set(ROLE, BEFORE)
  await aws.person.added([
    "add",
    "finance",
    "--aws",
    "--profile",
    "dev",
    "--assume-role",
    ROLE,
    "--external-id",
    "x-42",
    "https://a.execute-api.ap-southeast-1.amazonaws.com/p",
  ])

  const before = await aws.postern(["aws", "whoami", "finance", "--json"])
  const trusted = await aws.postern(["aws", "trust", "finance", "--yes", "--json"])
  const after = await aws.postern(["aws", "whoami", "finance", "--json"])

  expect(before.json<ErrorObject>().error).toMatchObject({ code: "aws-role-not-trusting", next: "postern aws trust finance" })
  expect(trusted.json<Trusted>()).toMatchObject({ changed: true, assumed: true })
  expect(aws.iam.trust.get(ROLE)).toContain('"sts:ExternalId":"x-42"')
  expect(after.json<{ arn: string }>().arn).toMatch(/^arn:aws:sts::123456789012:assumed-role\/mcp-finance-bot-role\/postern-/)
})

test.concurrent("2.4: for a role that is yet to be made, a trust policy is printed, and IAM is not asked", async () => {
  await using aws = await makeAwsPerson()

  const outcome = await aws.postern(["aws", "trust", "--print", "--profile", "dev", "--external-id", "x-42"])

  expect(outcome).toMatchObject({ code: 0, stderr: "" })
  expect(outcome.json()).toMatchObject({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: aws.ada.arn }, Condition: { StringEquals: { "sts:ExternalId": "x-42" } } }],
  })
  expect(aws.iam.calls).toEqual([])
})
