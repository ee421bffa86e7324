/** Roles: assumed once for everybody, renewed early, kept in the vault and nowhere else. */
import { readFile, writeFile } from "node:fs/promises"
import { expect, test } from "vitest"
import type { Clock } from "../../../src/core/clock.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { addUser, toVariables } from "../../servers/aws/keys.ts"
import { type AwsStage, makeStage } from "./stage.ts"

const ROLE = "arn:aws:iam::123456789012:role/mcp-finance-bot-role"
const codeOf = (code: string) => ({ diagnosis: { code } })

/** A stage where anna holds keys in the environment, and may assume the role. */
async function withRole(): Promise<AwsStage> {
  const stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  Object.assign(stage.env, toVariables(anna))
  stage.sts.roles.set(ROLE, { trusts: [anna.arn] })
  return stage
}

test("2.3: the server sees only the role, in a session that tells person and server", async () => {
  await using stage = await withRole()
  const authenticator = stage.authenticator(stage.server({ aws: { assumeRole: ROLE } }))

  await stage.call(authenticator)

  expect(stage.endpoint.callers.map(({ arn }) => arn)).toEqual([
    "arn:aws:sts::123456789012:assumed-role/mcp-finance-bot-role/postern-anna-finance",
  ])
  expect(await authenticator.identity()).toMatchObject({ account: "123456789012", expiresAtMs: expect.any(Number) })
})

test("2.3: twenty calls at once, with nothing in memory, make one AssumeRole", async () => {
  await using stage = await withRole()
  const authenticator = stage.authenticator(stage.server({ aws: { assumeRole: ROLE } }))

  const answers = await Promise.all(Array.from({ length: 20 }, () => stage.call(authenticator)))

  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(1)
})

test("2.3: another process takes the session from the vault, and another source makes one of its own", async () => {
  await using stage = await withRole()
  const server = stage.server({ aws: { assumeRole: ROLE } })
  await stage.call(stage.authenticator(server))

  await stage.call(stage.authenticator(server))
  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(1)
  expect(stage.endpoint.callers[0]).toBe(stage.endpoint.callers[1])

  const ben = addUser(stage.holders, "ben")
  stage.sts.roles.set(ROLE, { trusts: [ben.arn] })
  Object.assign(stage.env, toVariables(ben))
  await stage.call(stage.authenticator(server))
  expect(stage.sts.callsOf("AssumeRole").map(({ caller }) => caller?.arn)).toEqual([expect.stringContaining("anna"), ben.arn])
})

test("2.3: the session lies in no file in clear", async () => {
  await using stage = await withRole()

  await stage.call(stage.authenticator(stage.server({ aws: { assumeRole: ROLE } })))

  const [lent] = stage.endpoint.callers
  const files = Object.values(await stage.folder.contents()).join("\n")
  expect(files).toContain("assumed-role/mcp-finance-bot-role") // the facts beside the record: it is in the vault
  expect(files).not.toContain(lent?.secretAccessKey)
  expect(files).not.toContain(lent?.sessionToken)
  expect(files).not.toContain(Buffer.from(lent?.secretAccessKey ?? "").toString("base64"))
})

test("2.3: a session is renewed before it ends, by the same call and without anybody noticing", async () => {
  await using stage = await withRole()
  let passedMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + passedMs }
  const authenticator = stage.authenticator(stage.server({ aws: { assumeRole: ROLE } }), clock)
  await stage.call(authenticator)

  passedMs = stage.sts.clockAheadMs = stage.endpoint.clockAheadMs = 56 * 60_000 // four minutes before its end
  await stage.call(authenticator)

  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(2)
  expect(stage.endpoint.callers).toHaveLength(2)
  expect(stage.endpoint.refusals).toEqual([])
})

test("2.3: a session that cannot be renewed is used to its end, and then told as ended by its cause", async () => {
  await using stage = await withRole()
  let passedMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + passedMs }
  const authenticator = stage.authenticator(stage.server({ aws: { assumeRole: ROLE } }), clock)
  await stage.call(authenticator)
  stage.sts.roles.clear()

  passedMs = stage.sts.clockAheadMs = stage.endpoint.clockAheadMs = 56 * 60_000
  expect((await stage.call(authenticator)).status).toBe(200)
  expect((await stage.call(authenticator)).status).toBe(200)
  expect(stage.sts.refusals).toEqual([{ action: "AssumeRole", type: "AccessDenied" }]) // not asked again for each call

  passedMs = stage.sts.clockAheadMs = stage.endpoint.clockAheadMs = 61 * 60_000
  await expect(stage.call(authenticator)).rejects.toMatchObject(codeOf("aws-assume-denied"))
})

test("a session that AWS does not know any more is made anew in the same call, and not tried by another process", async () => {
  await using stage = await withRole()
  const server = stage.server({ aws: { assumeRole: ROLE } })
  const running = stage.authenticator(server)
  await stage.call(running)
  const [lent] = stage.endpoint.callers
  stage.holders.delete(lent?.accessKeyId ?? "") // as after the role was deleted and made again

  const answers = await Promise.all([stage.call(running), stage.call(running)])
  const other = await stage.call(stage.authenticator(server))

  expect(stage.endpoint.refusals).toHaveLength(2)
  expect([...answers, other].map(({ status }) => status)).toEqual([200, 200, 200])
  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(2)
})

test("a server that knows no session of the role does not make us ask STS without end", async () => {
  await using stage = await withRole()
  const running = stage.authenticator(stage.server({ aws: { assumeRole: ROLE } }))
  stage.endpoint.tamper = (request) => {
    for (const key of [...stage.holders.keys()].filter((one) => one.startsWith("ASIA"))) stage.holders.delete(key)
    return request
  }

  for (let count = 0; count < 3; count++) await expect(stage.call(running)).rejects.toMatchObject(codeOf("aws-key-unknown"))

  expect(stage.endpoint.refusals.length).toBeGreaterThan(3)
  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(2)
})

test("what the entry says of the session is what STS is told", async () => {
  await using stage = await withRole()
  const policy = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "execute-api:Invoke", Resource: "*" }] }
  await writeFile(stage.folder.at("narrow.json"), JSON.stringify(policy, undefined, 4))
  const aws = {
    assumeRole: ROLE,
    externalId: "ext-1234",
    sessionName: "nightly",
    duration: 1800,
    sourceIdentity: "anna@example.com",
    tags: { team: "finance", "cost center": "42" },
    sessionPolicy: "narrow.json",
  }
  const [anna] = stage.holders.values()
  stage.sts.roles.set(ROLE, { trusts: [anna?.arn ?? ""], externalId: "ext-1234" })

  await stage.call(stage.authenticator({ ...stage.server({ aws }), file: stage.folder.at("config.json") }))

  expect(stage.sts.callsOf("AssumeRole")[0]?.parameters).toMatchObject({
    ExternalId: "ext-1234",
    RoleSessionName: "nightly",
    DurationSeconds: "1800",
    SourceIdentity: "anna@example.com",
    "Tags.member.1.Key": "team",
    "Tags.member.1.Value": "finance",
    "Tags.member.2.Key": "cost center",
    "Tags.member.2.Value": "42",
    Policy: JSON.stringify(policy),
  })
})

test("a role that asks for another external id is not assumed, and nothing is sent", async () => {
  await using stage = await withRole()
  const [anna] = stage.holders.values()
  stage.sts.roles.set(ROLE, { trusts: [anna?.arn ?? ""], externalId: "ext-1234" })

  await expect(stage.call(stage.authenticator(stage.server({ aws: { assumeRole: ROLE, externalId: "ext-9999" } })))).rejects.toMatchObject(
    codeOf("aws-assume-denied"),
  )

  expect(stage.endpoint.seen).toEqual([])
})

test("a read-only session may call the server, and beyond it only read", async () => {
  await using stage = await withRole()

  await stage.call(stage.authenticator(stage.server({ aws: { assumeRole: ROLE, sessionPolicy: "read-only" } })))

  const { parameters } = stage.sts.callsOf("AssumeRole")[0] ?? {}
  expect(parameters?.["PolicyArns.member.1.arn"]).toBe("arn:aws:iam::aws:policy/ReadOnlyAccess")
  expect(JSON.parse(parameters?.["Policy"] ?? "")).toMatchObject({ Statement: [{ Effect: "Allow", Action: ["execute-api:Invoke"] }] })
})

test("a session policy that is changed holds from the next request on, and one that is broken lets none out", async () => {
  await using stage = await withRole()
  const file = stage.folder.at("narrow.json")
  const server = { ...stage.server({ aws: { assumeRole: ROLE, sessionPolicy: "narrow.json" } }), file: stage.folder.at("config.json") }
  const narrow = (action: string) => writeFile(file, JSON.stringify({ Statement: [{ Effect: "Allow", Action: action, Resource: "*" }] }))
  const running = stage.authenticator(server)

  await narrow("execute-api:*")
  await stage.call(running)
  await narrow("execute-api:Invoke")
  await stage.call(running)
  await writeFile(file, "{")
  await expect(stage.call(running)).rejects.toMatchObject(codeOf("aws-policy-unusable"))

  const policies = stage.sts.callsOf("AssumeRole").map(({ parameters }) => parameters["Policy"] ?? "")
  expect(policies.map((policy) => /"Action":"([^"]*)"/.exec(policy)?.[1])).toEqual(["execute-api:*", "execute-api:Invoke"])
  expect(stage.endpoint.callers).toHaveLength(2)
  expect(new Set(stage.endpoint.callers).size).toBe(2) // a session each
})

test.each([
  { what: "is not there", content: undefined },
  { what: "is not JSON", content: "Allow everything" },
  { what: "is too long", content: JSON.stringify({ Version: "x".repeat(3000) }) },
])("a policy file that $what stops the role: without it the session could do more", async ({ content }) => {
  await using stage = await withRole()
  if (content !== undefined) await writeFile(stage.folder.at("narrow.json"), content)
  const server = { ...stage.server({ aws: { assumeRole: ROLE, sessionPolicy: "narrow.json" } }), file: stage.folder.at("config.json") }

  await expect(stage.call(stage.authenticator(server))).rejects.toMatchObject(codeOf("aws-policy-unusable"))

  expect(stage.sts.calls).toEqual([])
})

test("a vault that cannot be used does not keep anybody from a role; the session then lives in this process", async () => {
  await using stage = await withRole()
  const server = stage.server({ aws: { assumeRole: ROLE } })
  await stage.call(stage.authenticator(server))
  await writeFile(stage.folder.keyPath, "damaged")
  const authenticator = stage.authenticator(server)

  await stage.call(authenticator)
  await stage.call(authenticator)

  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(2)
  expect(await readFile(stage.folder.keyPath, "utf8")).toBe("damaged")
})

test("2.6: a pinned role is compared by its role, not by its session; another role is refused", async () => {
  await using stage = await withRole()
  const aws = { assumeRole: ROLE }

  await stage.call(stage.authenticator(stage.server({ aws, pin: { role: ROLE } })))
  const other = stage.call(stage.authenticator(stage.server({ aws, pin: { role: `${ROLE}-admin` } })))

  await expect(other).rejects.toMatchObject(codeOf("aws-pin-mismatch"))
  expect(stage.endpoint.callers).toHaveLength(1)
})

test("a machine whose clock is off assumes a role all the same, and its session is not taken for ended", async () => {
  await using stage = await withRole()
  stage.sts.clockAheadMs = stage.endpoint.clockAheadMs = 3 * 3600_000
  const authenticator = stage.authenticator(stage.server({ aws: { assumeRole: ROLE } }))

  await stage.call(authenticator)
  await stage.call(authenticator)

  expect(stage.sts.refusals).toHaveLength(1) // the first, from which the time was learned
  expect(stage.sts.callsOf("AssumeRole")).toHaveLength(1)
  expect(stage.endpoint.refusals).toEqual([])
  expect(stage.endpoint.callers).toHaveLength(2)
})

test("sessions that have ended go when a new one is made", async () => {
  await using stage = await withRole()
  let passedMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + passedMs }
  const namesIn = async (): Promise<string[]> => (await stage.folder.open().list()).map(({ name }) => name)
  await stage.call(stage.authenticator(stage.server({ aws: { assumeRole: ROLE, sessionName: "first" } })))
  const [first] = await namesIn()

  passedMs = stage.sts.clockAheadMs = stage.endpoint.clockAheadMs = 2 * 3600_000
  await stage.call(stage.authenticator(stage.server({ aws: { assumeRole: ROLE, sessionName: "second" } }), clock))

  expect(first).toMatch(/^aws\//)
  expect(await namesIn()).toEqual([expect.not.stringMatching(first ?? "")])
})

test("2.6: list tells the role before it is assumed, and how long its session lasts once it is, without a key", async () => {
  await using stage = await withRole()
  const server = stage.server({ aws: { assumeRole: ROLE } })

  expect(await stage.authenticator(server).identity()).toEqual({
    subject: ROLE,
    account: "123456789012",
    source: "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  })

  await stage.call(stage.authenticator(server))
  await writeFile(stage.folder.keyPath, "damaged")
  expect(await stage.authenticator(server).identity()).toMatchObject({ subject: ROLE, expiresAtMs: expect.any(Number) })
})
