/** Every kind of source that a profile or a machine can have. */
import { readFile, writeFile } from "node:fs/promises"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { expect, test } from "vitest"
import { addSession, addUser, toCredentialsFile } from "../../servers/aws/keys.ts"
import { makeStage } from "./stage.ts"

const codeOf = (code: string) => ({ diagnosis: { code } })
const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

test("a credential_process gives the keys; its input is closed, so it neither hangs nor eats messages", async () => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  const printed = JSON.stringify({ Version: 1, AccessKeyId: anna.accessKeyId, SecretAccessKey: anna.secretAccessKey })
  // `cat` ends only where its input ends.
  await stage.write({ config: `[profile tool]\ncredential_process = cat > ${stage.folder.at("eaten")}; echo ${shellQuoted(printed)}\n` })

  await stage.call(stage.authenticator(stage.server({ aws: { profile: "tool" } })))

  expect(stage.endpoint.callers).toEqual([anna])
})

test.each([
  { what: "fails", command: "echo no luck >&2; exit 3", reason: /ended with code 3: no luck/ },
  { what: "prints no JSON", command: "echo hello", reason: /printed no JSON/ },
  { what: "prints without end", command: "yes", reason: /printed more than 64 KiB/ },
  { what: "prints another version", command: `echo ${shellQuoted('{"Version": 2}')}`, reason: /another format/ },
])("a credential_process that $what is told with its reason", async ({ command, reason }) => {
  await using stage = await makeStage()
  await stage.write({ config: `[profile tool]\ncredential_process = ${command}\n` })

  const answer = stage.call(stage.authenticator(stage.server({ aws: { profile: "tool" } })))

  await expect(answer).rejects.toMatchObject({
    diagnosis: { code: "aws-credentials-failed", evidence: expect.arrayContaining([expect.stringMatching(reason)]) },
  })
  expect(stage.endpoint.seen).toEqual([])
})

test("a credential_process that writes the shared files each time is told, and not run without end", async () => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  const printed = JSON.stringify({ Version: 1, AccessKeyId: anna.accessKeyId, SecretAccessKey: anna.secretAccessKey })
  const [runs, shared] = [stage.folder.at("runs"), stage.folder.at(".aws", "credentials")]
  await stage.write({
    config: `[profile tool]\ncredential_process = echo run >> ${runs}; echo >> ${shared}; echo ${shellQuoted(printed)}\n`,
  })

  const answer = stage.call(stage.authenticator(stage.server({ aws: { profile: "tool" } })))

  await expect(answer).rejects.toMatchObject({
    diagnosis: { code: "aws-credentials-failed", evidence: expect.arrayContaining([expect.stringContaining("written again")]) },
  })
  expect((await readFile(runs, "utf8")).split("\n").length - 1).toBeLessThanOrEqual(5)
})

test("a credential_process at the end of a chain of roles", async () => {
  await using stage = await makeStage()
  const anna = addUser(stage.holders, "anna")
  const role = "arn:aws:iam::123456789012:role/behind"
  stage.sts.roles.set(role, { trusts: [anna.arn] })
  const printed = JSON.stringify({ Version: 1, AccessKeyId: anna.accessKeyId, SecretAccessKey: anna.secretAccessKey })
  await stage.write({
    config: `[profile tool]\ncredential_process = echo ${shellQuoted(printed)}\n[profile end]\nrole_arn = ${role}\nsource_profile = tool\n`,
  })

  await stage.call(stage.authenticator(stage.server({ aws: { profile: "end" } })))

  expect(stage.endpoint.callers.map(({ arn }) => arn)).toEqual(["arn:aws:sts::123456789012:assumed-role/behind/postern-anna-finance"])
})

test("a web identity token in a file is exchanged without a signature", async () => {
  await using stage = await makeStage()
  const role = "arn:aws:iam::123456789012:role/workload"
  stage.sts.roles.set(role, { trusts: [], webIdentityToken: "a-token-of-the-cluster" })
  await writeFile(stage.folder.at("token"), "a-token-of-the-cluster")
  await stage.write({ config: `[profile pod]\nrole_arn = ${role}\nweb_identity_token_file = ${stage.folder.at("token")}\n` })

  await stage.call(stage.authenticator(stage.server({ aws: { profile: "pod" } })))

  expect(stage.sts.callsOf("AssumeRoleWithWebIdentity")).toMatchObject([{ parameters: { RoleSessionName: "postern-anna-finance" } }])
  expect(stage.endpoint.callers.map(({ arn }) => arn)).toEqual(["arn:aws:sts::123456789012:assumed-role/workload/postern-anna-finance"])
})

test("a live SSO session gives the keys of its role; one that has ended is told as that, with the profile", async () => {
  await using stage = await makeStage()
  const lent = addSession(stage.holders, { role: "arn:aws:iam::123456789012:role/AWSReservedSSO_Dev_1a2b", session: "anna", seconds: 3600 })
  const asked: string[] = []
  const portal = http.createServer((request, response) => {
    asked.push(`${request.headers["x-amz-sso_bearer_token"]} ${request.url}`)
    const { accessKeyId, secretAccessKey, sessionToken, expiresAtMs: expiration } = lent
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ roleCredentials: { accessKeyId, secretAccessKey, sessionToken, expiration } }))
  })
  await new Promise<void>((resolve) => portal.listen(0, "127.0.0.1", resolve))
  try {
    stage.env["AWS_ENDPOINT_URL_SSO"] = `http://127.0.0.1:${(portal.address() as AddressInfo).port}`
    const config = `[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n`
    await stage.write({ config })
    const server = stage.server({ aws: { profile: "sso" } })
    const running = stage.authenticator(server)

    await expect(stage.call(running)).rejects.toMatchObject({
      diagnosis: { code: "aws-sso-ended", kind: "sign-in", cause: expect.stringContaining('"sso"'), next: "postern auth finance" },
    })

    await stage.writeSsoToken("corp", { accessToken: "sso-token-123", expiresAt: new Date(Date.now() + 3600_000).toISOString() })
    await stage.call(running)

    expect(asked).toEqual(["sso-token-123 /federation/credentials?role_name=Dev&account_id=123456789012"])
    expect(stage.endpoint.callers).toEqual([lent])
  } finally {
    portal.close()
  }
})

test("a profile that is not there is told with the nearest one, and where it was looked for", async () => {
  await using stage = await makeStage()
  await stage.write({ credentials: toCredentialsFile("my-dev-profile", addUser(stage.holders, "dev")) })
  stage.env["AWS_PROFILE"] = "my-dev-profil"

  await expect(stage.call(stage.authenticator())).rejects.toMatchObject({
    diagnosis: {
      code: "aws-profile-unknown",
      cause: 'There is no AWS profile "my-dev-profil"; did you mean "my-dev-profile"?',
      evidence: expect.arrayContaining([
        "the name comes from the variable AWS_PROFILE",
        `looked into ${stage.folder.at(".aws", "config")}`,
      ]),
    },
  })
})

test("a profile that leads in a circle is told, and not followed for ever", async () => {
  await using stage = await makeStage()
  const role = "arn:aws:iam::123456789012:role/round"
  await stage.write({
    config: `[profile a]\nrole_arn = ${role}\nsource_profile = b\n[profile b]\nrole_arn = ${role}\nsource_profile = a\n`,
  })

  await expect(stage.call(stage.authenticator(stage.server({ aws: { profile: "a" } })))).rejects.toMatchObject(
    codeOf("aws-credentials-failed"),
  )
})
