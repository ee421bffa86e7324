/** Who may assume a role, read as IAM reads it; and a statement that is added without touching the others. */
import fc from "fast-check"
import { expect, test } from "vitest"
import { type PolicyDocument, matchesPattern, parsePolicy } from "../../../src/auth/aws/policy-document.ts"
import { principalFrom } from "../../../src/auth/aws/principal.ts"
import { awsTrustRefused } from "../../../src/auth/aws/trust-diagnoses.ts"
import { type Asking, allowCaller, judgeTrust } from "../../../src/auth/aws/trust-policy.ts"

const ACCOUNT = "123456789012"
const USER = principalFrom(`arn:aws:iam::${ACCOUNT}:user/team/ada`)
const ROLE = principalFrom(`arn:aws:sts::${ACCOUNT}:assumed-role/deployer/ada`)
const SSO = principalFrom(`arn:aws:sts::${ACCOUNT}:assumed-role/AWSReservedSSO_Developers_0123456789abcdef/ada`)
const ROOT = `arn:aws:iam::${ACCOUNT}:root`

const trusting = (principal: unknown, more: object = {}): PolicyDocument =>
  ({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: principal, Action: "sts:AssumeRole", ...more }] }) as PolicyDocument

test.each<[string, PolicyDocument, Asking, object]>([
  ["names the user", trusting({ AWS: USER.arn }), { caller: USER }, { says: "yes", byAccount: false }],
  [
    "names the role of the session",
    trusting({ AWS: [`arn:aws:iam::${ACCOUNT}:role/ops/deployer`] }),
    { caller: ROLE },
    { says: "yes", byAccount: false },
  ],
  [
    "names the session itself",
    trusting({ AWS: `arn:aws:sts::${ACCOUNT}:assumed-role/deployer/ada` }),
    { caller: ROLE },
    { says: "yes", byAccount: false },
  ],
  [
    "names another session",
    trusting({ AWS: `arn:aws:sts::${ACCOUNT}:assumed-role/deployer/bob` }),
    { caller: ROLE },
    { says: "no", deleted: [] },
  ],
  ["names the account", trusting({ AWS: ROOT }), { caller: USER }, { says: "yes", byAccount: true }],
  ["names the account by its digits", trusting({ AWS: ACCOUNT }), { caller: USER }, { says: "yes", byAccount: true }],
  ["names everybody", trusting("*"), { caller: USER }, { says: "yes", byAccount: true }],
  ["names a service", trusting({ Service: "lambda.amazonaws.com" }), { caller: USER }, { says: "no", deleted: [] }],
  [
    "names a user that was deleted",
    trusting({ AWS: "AIDACKCEVSQ6C2EXAMPLE" }),
    { caller: USER },
    { says: "no", deleted: ["AIDACKCEVSQ6C2EXAMPLE"] },
  ],
  [
    "names another role of the same end",
    trusting({ AWS: `arn:aws:iam::${ACCOUNT}:role/not-deployer` }),
    { caller: ROLE },
    { says: "no", deleted: [] },
  ],
  ["allows another action", trusting({ AWS: USER.arn }, { Action: "sts:TagSession" }), { caller: USER }, { says: "no", deleted: [] }],
  [
    "allows by a pattern of actions",
    trusting({ AWS: USER.arn }, { Action: "STS:Assume*" }),
    { caller: USER },
    { says: "yes", byAccount: false },
  ],
  [
    "wants an external id",
    trusting({ AWS: ROOT }, { Condition: { StringEquals: { "sts:ExternalId": "x-1" } } }),
    { caller: USER },
    { says: "external-id" },
  ],
  [
    "wants another external id",
    trusting({ AWS: ROOT }, { Condition: { StringEquals: { "sts:ExternalId": "x-1" } } }),
    { caller: USER, externalId: "x-2" },
    { says: "external-id" },
  ],
  [
    "looks at an external id where there is one, and gets none",
    trusting({ AWS: ROOT }, { Condition: { StringEqualsIfExists: { "sts:ExternalId": "x-1" } } }),
    { caller: USER },
    { says: "yes", byAccount: true },
  ],
  [
    "looks at an external id where there is one, and gets another",
    trusting({ AWS: ROOT }, { Condition: { StringEqualsIfExists: { "sts:ExternalId": "x-1" } } }),
    { caller: USER, externalId: "x-2" },
    { says: "external-id" },
  ],
  [
    "gets its external id",
    trusting({ AWS: ROOT }, { Condition: { StringEquals: { "sts:ExternalId": ["x-0", "x-1"] } } }),
    { caller: USER, externalId: "x-1" },
    { says: "yes", byAccount: true },
  ],
  [
    "wants a code of an MFA device",
    trusting({ AWS: ROOT }, { Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } }),
    { caller: USER, mfa: false },
    { says: "mfa" },
  ],
  [
    "gets a code",
    trusting({ AWS: ROOT }, { Condition: { Bool: { "aws:MultiFactorAuthPresent": true } } }),
    { caller: USER, mfa: true },
    { says: "yes", byAccount: true },
  ],
  [
    "looks at what cannot be judged here",
    trusting({ AWS: ROOT }, { Condition: { IpAddress: { "aws:SourceIp": "203.0.113.0/24" } } }),
    { caller: USER },
    { says: "unknown", conditions: ["aws:SourceIp"] },
  ],
  [
    "finds an SSO role by its pattern",
    trusting(
      { AWS: ROOT },
      {
        Condition: {
          ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Developers_*` },
        },
      },
    ),
    { caller: SSO },
    { says: "yes", byAccount: true },
  ],
  [
    "has the pattern of another SSO role",
    trusting(
      { AWS: ROOT },
      {
        Condition: {
          ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admins_*` },
        },
      },
    ),
    { caller: SSO },
    { says: "unknown", conditions: ["aws:PrincipalArn"] },
  ],
])("a trust policy that %s is judged so", (_, policy, asking, verdict) => {
  expect(judgeTrust(policy, asking)).toEqual(verdict)
})

test("a deny wins over every allow, and one for whoever comes without MFA is told as that", () => {
  const allow = { Effect: "Allow", Principal: { AWS: USER.arn }, Action: "sts:AssumeRole" }
  const deny = { Effect: "Deny", Principal: "*", Action: "*" }
  const noMfa = { ...deny, Condition: { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } } }

  expect(judgeTrust({ Statement: [allow, deny] } as PolicyDocument, { caller: USER })).toEqual({ says: "deny" })
  expect(judgeTrust({ Statement: [allow, noMfa] } as PolicyDocument, { caller: USER, mfa: false })).toEqual({ says: "mfa" })
  expect(judgeTrust({ Statement: [allow, noMfa] } as PolicyDocument, { caller: USER, mfa: true })).toMatchObject({ says: "yes" })
})

test("an added statement names a user by its ARN and a session by its role, with the external id, and lets the caller in", () => {
  const before = trusting({ Service: "lambda.amazonaws.com" }, { Sid: "Postern1" })

  const forUser = allowCaller(before, { caller: USER, externalId: "x-1" })
  const forRole = allowCaller(before, { caller: ROLE })

  expect(forUser?.Statement).toEqual([
    ...(before.Statement as object[]),
    {
      Sid: "Postern2",
      Effect: "Allow",
      Principal: { AWS: USER.arn },
      Action: "sts:AssumeRole",
      Condition: { StringEquals: { "sts:ExternalId": "x-1" } },
    },
  ])
  expect(forRole?.Statement).toMatchObject([{}, { Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/deployer` } }])
})

test("a role of AWS SSO is trusted by its account and a pattern that no other permission set fits", () => {
  const added = allowCaller(trusting({ Service: "lambda.amazonaws.com" }), { caller: SSO }) as PolicyDocument
  const role = (name: string) => principalFrom(`arn:aws:sts::${ACCOUNT}:assumed-role/AWSReservedSSO_${name}/ada`)

  expect((added.Statement as object[])[1]).toMatchObject({
    Principal: { AWS: ROOT },
    Condition: {
      ArnLike: {
        "aws:PrincipalArn": `arn:aws:iam::${ACCOUNT}:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_Developers_????????????????`,
      },
    },
  })
  expect(judgeTrust(added, { caller: role("Developers_fedcba9876543210") })).toMatchObject({ says: "yes" })
  expect(judgeTrust(added, { caller: role("Developers_Admin_0123456789abcdef") })).toMatchObject({ says: "unknown" })
})

test("whatever the policy says, what is added lets the caller in, keeps all other statements in their order, and is added once", () => {
  const principals = fc.constantFrom<unknown>(
    "*",
    { AWS: ROOT },
    { AWS: USER.arn },
    { Service: "ec2.amazonaws.com" },
    { AWS: ["AIDACKCEVSQ6C2EXAMPLE"] },
  )
  const conditions = fc.constantFrom(
    {},
    { StringEquals: { "sts:ExternalId": "other" } },
    { Bool: { "aws:MultiFactorAuthPresent": "true" } },
  )
  const statement = fc.record({
    Sid: fc.constantFrom("Postern1", "A", "B"),
    Effect: fc.constant("Allow"),
    Principal: principals,
    Action: fc.constantFrom("sts:AssumeRole", "*", "sts:TagSession"),
    Condition: conditions,
  })

  fc.assert(
    fc.property(fc.array(statement, { maxLength: 4 }), fc.constantFrom(USER, ROLE, SSO), (statements, caller) => {
      const policy = { Statement: statements } as unknown as PolicyDocument
      const changed = allowCaller(policy, { caller })
      if (changed === undefined) {
        expect(judgeTrust(policy, { caller }).says).toBe("yes")
        return
      }
      expect((changed.Statement as object[]).slice(0, -1)).toEqual(statements)
      expect(judgeTrust(changed, { caller }).says).toBe("yes")
      expect(allowCaller(changed, { caller })).toBeUndefined()
    }),
  )
})

test("what is no policy is not added to", () => {
  for (const text of ["", "[]", "{}", '{"Statement": 5}', '{"Statement": [{"Effect": "Maybe"}]}'])
    expect(() => parsePolicy(text, "arn:aws:iam::123456789012:role/r")).toThrow(
      expect.objectContaining({ diagnosis: expect.objectContaining({ code: "aws-policy-unreadable" }) }),
    )
})

test("the root user and a federated session are none that can be named", () => {
  for (const arn of [ROOT, `arn:aws:sts::${ACCOUNT}:federated-user/ada`, "nonsense"])
    expect(() => principalFrom(arn)).toThrow(
      expect.objectContaining({ diagnosis: expect.objectContaining({ code: "aws-principal-unsuitable" }) }),
    )
})

test("patterns match as a regular expression of the same meaning does", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 })
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 8 }), (pattern, text) => {
      const meant = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`)
      expect(matchesPattern(pattern, text)).toBe(meant.test(text))
    }),
  )
})

test.each([
  ["AccessDenied", /--admin-profile/],
  ["MalformedPolicyDocument", /AIDA or AROA/],
  ["LimitExceeded", /quota/],
  ["UnmodifiableEntity", /managed by an AWS service/],
  ["ServiceFailure", /what IAM names/],
])("a policy that IAM refuses with %s is followed by the step that mends just that", (code, next) => {
  const told = awsTrustRefused({ role: "arn:aws:iam::123456789012:role/a", code, said: "no", asker: "arn:aws:iam::123456789012:user/b" })

  expect(told.next).toMatch(next)
})
