/** The method `aws` against a server that verifies every signature by itself, and an STS that does. */
import { writeFile } from "node:fs/promises"
import { expect, test } from "vitest"
import type { Authenticator } from "../../../src/auth/method.ts"
import { addUser, toCredentialsFile, toVariables } from "../../servers/aws/keys.ts"
import { personWho } from "../../harness/interaction.ts"
import { makeStage } from "./stage.ts"

const signal = new AbortController().signal
const whose = async (authenticator: Authenticator): Promise<unknown> =>
  (
    await authenticator.authorize(
      { method: "POST", url: new URL("https://x.execute-api.eu-central-1.amazonaws.com/mcp"), headers: {} },
      signal,
    )
  ).identity
const codeOf = (code: string) => ({ diagnosis: { code } })

test("2.2: keys in the environment sign every request", async () => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  Object.assign(stage.env, toVariables(anna))

  const answer = await stage.call(stage.authenticator())

  expect(answer.status).toBe(200)
  expect(stage.endpoint.callers).toEqual([anna])
})

test("2.2: AWS_PROFILE beside AWS_ACCESS_KEY_ID is refused, both are named, and nothing is sent", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "dev"), addUser(stage.holders, "prod", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("dev", dev) })
  Object.assign(stage.env, toVariables(prod), { AWS_PROFILE: "dev" })

  const answer = stage.call(stage.authenticator())

  await expect(answer).rejects.toMatchObject({
    diagnosis: {
      code: "aws-sources-disagree",
      kind: "guard",
      evidence: ["AWS_PROFILE is set", "AWS_ACCESS_KEY_ID is set", "nothing was sent"],
    },
  })
  expect(stage.endpoint.seen).toEqual([])
  expect(stage.sts.calls).toEqual([])
})

test("2.2: two names of a profile that differ are refused, and one name in both variables is not", async () => {
  await using stage = await makeStage()
  const dev = addUser(stage.holders, "dev")
  await stage.write({ credentials: toCredentialsFile("dev", dev) })
  Object.assign(stage.env, { AWS_PROFILE: "dev", AWS_DEFAULT_PROFILE: "prod" })

  await expect(stage.call(stage.authenticator())).rejects.toMatchObject(codeOf("aws-sources-disagree"))

  stage.env["AWS_DEFAULT_PROFILE"] = "dev"
  expect((await stage.call(stage.authenticator())).status).toBe(200)
  expect(stage.endpoint.callers).toEqual([dev])
})

test("2.2: a profile in the entry wins over the environment, and that is said", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "dev"), addUser(stage.holders, "prod", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("dev", dev) })
  Object.assign(stage.env, toVariables(prod))
  const authenticator = stage.authenticator(stage.server({ aws: { profile: "dev" } }))

  await stage.call(authenticator)

  expect(stage.endpoint.callers).toEqual([dev])
  expect(await authenticator.identity()).toMatchObject({
    subject: dev.arn,
    account: dev.account,
    source: "the AWS profile dev (/home/anna/config.json; AWS_ACCESS_KEY_ID is set, and not used)",
  })
})

test("nothing to sign with is told, with what the client has taken out of the environment", async () => {
  await using stage = await makeStage()
  stage.env["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"] = "1"

  const answer = stage.call(stage.authenticator())

  await expect(answer).rejects.toMatchObject({
    diagnosis: {
      code: "aws-no-credentials",
      evidence: expect.arrayContaining([expect.stringContaining("CLAUDE_CODE_SUBPROCESS_ENV_SCRUB=1")]),
    },
  })
  expect(stage.endpoint.seen).toEqual([])
})

test("what is changed on the way is refused by the server, and told as a signature that does not match", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  const authenticator = stage.authenticator()
  const changes: readonly ((request: (typeof stage.endpoint.seen)[number]) => (typeof stage.endpoint.seen)[number])[] = [
    (request) => ({ ...request, path: `${request.path}/admin` }),
    (request) => ({ ...request, body: request.body.replace("größe", "grosse") }),
    (request) => ({ ...request, headers: { ...request.headers, "mcp-session-id": "another" } }),
    (request) => ({ ...request, headers: { ...request.headers, "content-type": "text/plain" } }),
  ]

  for (const change of changes) {
    stage.endpoint.tamper = change
    await expect(stage.call(authenticator, { headers: { "mcp-session-id": "mine" } })).rejects.toMatchObject(
      codeOf("aws-signature-mismatch"),
    )
  }
  expect(stage.endpoint.refusals).toHaveLength(changes.length) // none is sent twice
  expect(stage.endpoint.callers).toEqual([])

  stage.endpoint.tamper = (request) => request
  expect((await stage.call(authenticator, { headers: { "mcp-session-id": "mine" } })).status).toBe(200)
})

test.each([
  { what: "region", aws: { region: "eu-west-1" }, code: "aws-wrong-region" },
  { what: "service", aws: { service: "lambda" }, code: "aws-wrong-service" },
])("a signature for another $what is refused, and told as that", async ({ aws, code }) => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))

  await expect(stage.call(stage.authenticator(stage.server({ aws })))).rejects.toMatchObject(codeOf(code))

  expect(stage.endpoint.refusals).toHaveLength(1)
})

test("headers of the entry are signed with the rest", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")), { USAGE_PLAN_KEY: "plan-key-123456" })
  const authenticator = stage.authenticator(stage.server({ headers: { "X-Api-Key": "${USAGE_PLAN_KEY}" } }))

  await stage.call(authenticator)

  const [sent] = stage.endpoint.seen
  expect(sent?.headers["x-api-key"]).toBe("plan-key-123456")
  expect(sent?.headers.authorization).toMatch(/SignedHeaders=[^,]*x-api-key/)
  expect(stage.endpoint.callers).toHaveLength(1)
})

test.each([{ minutes: 12 }, { minutes: -12 }])(
  "a clock that is $minutes minutes off is corrected from the server's answer, once",
  async ({ minutes }) => {
    await using stage = await makeStage()
    Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
    stage.endpoint.clockAheadMs = minutes * 60_000
    const authenticator = stage.authenticator()

    const first = await stage.call(authenticator)
    const second = await stage.call(authenticator)

    expect([first.status, second.status]).toEqual([200, 200])
    expect(stage.endpoint.refusals).toHaveLength(1) // of the first only
    expect(stage.endpoint.callers).toHaveLength(2)
  },
)

test("calls that went out together with a wrong clock are all sent again with the right one", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  stage.endpoint.clockAheadMs = stage.sts.clockAheadMs = 12 * 60_000
  const authenticator = stage.authenticator()

  const answers = await Promise.all(Array.from({ length: 4 }, () => stage.call(authenticator)))

  expect(stage.endpoint.refusals).toHaveLength(4)
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect((await authenticator.identity()).subject).toBe("arn:aws:iam::123456789012:user/anna") // STS too was asked again
})

test("a server whose time is another each time is asked twice, and no more", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  stage.endpoint.tamper = (request) => {
    stage.endpoint.clockAheadMs += 20 * 60_000
    return request
  }

  await expect(stage.call(stage.authenticator())).rejects.toMatchObject(codeOf("aws-clock-behind"))

  expect(stage.endpoint.refusals).toHaveLength(2)
})

test("2.6: keys that are rotated in the file are used from the next request on", async () => {
  await using stage = await makeStage()
  const [old, rotated] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna")]
  await stage.write({ credentials: toCredentialsFile("default", old) })
  const authenticator = stage.authenticator()
  await stage.call(authenticator)
  const before = await whose(authenticator)

  await stage.write({ credentials: toCredentialsFile("default", rotated) })
  await stage.call(authenticator)

  expect(stage.endpoint.callers).toEqual([old, rotated])
  expect(await whose(authenticator)).toBe(before) // what the server set for it, goes on with it
})

test("2.6: another account in mid-session stops, and nothing is signed as it before a person has said that it is meant", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  const running = stage.authenticator()
  await stage.call(running)
  const before = await whose(running)

  await stage.write({ credentials: toCredentialsFile("default", prod) })
  const stopped = await stage.call(running).catch((error: unknown) => error)
  const again = await stage.call(running).catch((error: unknown) => error)

  expect(stopped).toMatchObject({
    diagnosis: {
      code: "aws-identity-changed",
      kind: "guard",
      evidence: expect.arrayContaining([`before: ${dev.arn} (account ${dev.account})`, `now: ${prod.arn} (account ${prod.account})`]),
      next: "postern auth finance, if that is meant to be",
    },
  })
  expect(again).toMatchObject(codeOf("aws-identity-changed"))
  expect(stage.endpoint.callers).toEqual([dev])
  expect(stage.sts.calls.map(({ caller }) => caller)).toEqual([dev, prod]) // each was asked about once

  await stage.authenticator().signIn(personWho({}), signal) // as `postern auth finance` does, in a process of its own
  await stage.call(running)
  expect(stage.endpoint.callers).toEqual([dev, prod])
  expect(await whose(running)).not.toBe(before) // no cookie of the former one goes with it
})

test("2.6: what a person confirmed before a session began does not let another identity into it", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("default", prod) })
  await stage.authenticator().signIn(personWho({}), signal)
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  const running = stage.authenticator()
  await stage.call(running)

  await stage.write({ credentials: toCredentialsFile("default", prod) })

  await expect(stage.call(running)).rejects.toMatchObject(codeOf("aws-identity-changed"))
  expect(stage.endpoint.callers).toEqual([dev])
})

test("2.6: the former identity, put back, is gone on with", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  const running = stage.authenticator()
  await stage.call(running)
  await stage.write({ credentials: toCredentialsFile("default", prod) })
  await expect(stage.call(running)).rejects.toMatchObject(codeOf("aws-identity-changed"))

  await stage.write({ credentials: toCredentialsFile("default", dev) })
  await stage.call(running)

  expect(stage.endpoint.callers).toEqual([dev, dev])
})

test.each([
  { what: "account", pin: { account: "111111111111" } },
  { what: "role", pin: { role: "arn:aws:iam::123456789012:role/finance" } },
])("2.6: a pinned $what that is another one is refused, and no request leaves", async ({ what, pin }) => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  Object.assign(stage.env, toVariables(anna))

  const answer = stage.call(stage.authenticator(stage.server({ pin })))

  await expect(answer).rejects.toMatchObject({
    diagnosis: { code: "aws-pin-mismatch", kind: "guard", cause: expect.stringContaining(`The AWS ${what} is not`) },
  })
  expect(stage.sts.callsOf("GetCallerIdentity").map(({ caller }) => caller)).toEqual([anna]) // it was asked
  expect(stage.endpoint.seen).toEqual([])
})

test("2.6: the pinned account and user let a request through", async () => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  Object.assign(stage.env, toVariables(anna))

  await stage.call(stage.authenticator(stage.server({ pin: { account: anna.account, role: anna.arn } })))

  expect(stage.endpoint.callers).toEqual([anna])
})

test("2.6: with a pin, nothing is signed while AWS cannot be asked; without one, the server decides", async () => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  Object.assign(stage.env, toVariables(anna), { AWS_ENDPOINT_URL_STS: "http://127.0.0.1:9" })

  const pinned = stage.call(stage.authenticator(stage.server({ pin: { account: anna.account } })))

  await expect(pinned).rejects.toMatchObject(codeOf("aws-caller-unknown"))
  expect(stage.endpoint.seen).toEqual([])
  expect((await stage.call(stage.authenticator())).status).toBe(200)
})

test("2.6: with a pinned account, keys of another that appear in mid-session sign nothing", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  const running = stage.authenticator(stage.server({ pin: { account: dev.account } }))
  await stage.call(running)

  await stage.write({ credentials: toCredentialsFile("default", prod) })

  await expect(stage.call(running)).rejects.toMatchObject(codeOf("aws-pin-mismatch"))
  expect(stage.endpoint.callers).toEqual([dev])
})

test("2.6: keys that are taken away while another header of the entry is fetched sign nothing any more", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "dev"), addUser(stage.holders, "prod", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  const prodFile = stage.folder.at("prod")
  await writeFile(prodFile, toCredentialsFile("default", prod))
  const helper = `cp "${prodFile}" "${stage.folder.at(".aws", "credentials")}"; echo '{"x-api-key":"plan-key-123456"}'`

  const call = stage.call(stage.authenticator({ ...stage.server({ pin: { account: dev.account } }), headersHelper: helper }))

  await expect(call).rejects.toMatchObject(codeOf("aws-pin-mismatch"))
  expect(stage.endpoint.seen).toEqual([])
})

test("a file that is written while it is read does not let the old keys sign", async () => {
  await using stage = await makeStage()
  const [old, rotated] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna")]
  await stage.write({ credentials: toCredentialsFile("default", old) })
  const running = stage.authenticator()
  await stage.call(running)

  await stage.write({ credentials: "[default]\naws_access_key_id = " })
  const broken = stage.call(running)
  await expect(broken).rejects.toMatchObject(codeOf("aws-credentials-failed"))

  await stage.write({ credentials: toCredentialsFile("default", rotated) })
  await stage.call(running)
  expect(stage.endpoint.callers).toEqual([old, rotated])
})

test("no request is signed over http to another machine", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  const authenticator = stage.authenticator({ ...stage.server(), url: "http://api.example.com/mcp" })

  await expect(stage.call(authenticator)).rejects.toMatchObject(codeOf("aws-unencrypted"))
})

test("2.6: list shows whom a person has confirmed, and not for other keys that stand there meanwhile", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna", "999999999999")]
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  await stage.authenticator().signIn(personWho({}), signal)

  expect(await stage.authenticator().identity()).toMatchObject({ subject: dev.arn, account: dev.account })

  await stage.write({ credentials: toCredentialsFile("default", prod) })
  expect(await stage.authenticator().identity()).toMatchObject({ subject: "whoever holds the AWS profile default (no other being named)" })

  await stage.write({ credentials: toCredentialsFile("default", dev) })
  await stage.authenticator().signOut()
  expect(await stage.authenticator().identity()).toMatchObject({ subject: expect.stringContaining("whoever holds") })
})
