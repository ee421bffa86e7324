/** `postern aws whoami|policy|credentials|login` from outside. */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { appendFile, mkdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { type ErrorObject, makePerson, whereIs } from "../../harness/postern.ts"
import { ssoConfig, startAwsSso } from "../../servers/aws-sso.ts"
import { toVariables } from "../../servers/aws/keys.ts"
import { ROLE, makeAwsPerson } from "./stage.ts"

const API = "https://my-mcp-service.execute-api.ap-southeast-1.amazonaws.com/prod/mcp"

interface Whoami {
  readonly arn: string
  readonly account: string
  readonly source: string
  readonly expiresAt: string | null
  readonly pinned: object | null
}

test.concurrent("2.6: whoami says who AWS takes one for: by the environment, by a profile, and to a server by its role", async () => {
  await using aws = await makeAwsPerson()
  aws.sts.roles.set(ROLE, { trusts: [aws.ada.arn] })
  await aws.person.added(["add", "finance", "--aws", "--profile", "dev", "--assume-role", ROLE, "--pin-account", "123456789012", API])

  const ambient = (
    await aws.postern(["aws", "whoami", "--json"], { ...toVariables(aws.admin), AWS_REGION: "ap-southeast-1" })
  ).json<Whoami>()
  const profile = (await aws.postern(["aws", "whoami", "--profile", "dev", "--json"])).json<Whoami>()
  const server = (await aws.postern(["aws", "whoami", "finance", "--json"])).json<Whoami>()
  const text = await aws.postern(["aws", "whoami", "finance"])

  expect(ambient).toMatchObject({ arn: aws.admin.arn, account: "123456789012", expiresAt: null, server: null })
  expect(profile).toMatchObject({ arn: aws.ada.arn, source: expect.stringContaining("dev") })
  expect(server).toMatchObject({
    arn: expect.stringMatching(/assumed-role\/mcp-finance-bot-role\/postern-/),
    pinned: { account: "123456789012" },
  })
  expect(Date.parse(server.expiresAt ?? "")).toBeGreaterThan(Date.now())
  expect(text.stdout).toMatch(/^time left +5\d min/m)
  expect(aws.sts.callsOf("AssumeRole")).toHaveLength(1) // the session lies in the vault, and serves the next command
})

test.concurrent("2.2: whoami refuses two sources that disagree, and names both", async () => {
  await using aws = await makeAwsPerson()

  const outcome = await aws.postern(["aws", "whoami", "--json"], { ...toVariables(aws.admin), AWS_PROFILE: "dev" })

  expect(outcome.code).toBe(4)
  expect(outcome.json<ErrorObject>().error.evidence).toEqual(expect.arrayContaining(["AWS_PROFILE is set", "AWS_ACCESS_KEY_ID is set"]))
})

test.concurrent("2.6: whoami to a server whose pinned account is another one is refused", async () => {
  await using aws = await makeAwsPerson()
  await aws.person.added(["add", "finance", "--aws", "--profile", "dev", "--pin-account", "999999999999", API])

  const outcome = await aws.postern(["aws", "whoami", "finance", "--json"])

  expect(outcome.code).toBe(4)
  expect(outcome.json<ErrorObject>().error.code).toBe("aws-pin-mismatch")
})

test.concurrent("7: aws policy prints one action on one ARN, in the account of the role, and asks nobody", async () => {
  await using aws = await makeAwsPerson()
  await aws.person.added(["add", "finance", "--aws", "--profile", "dev", "--assume-role", ROLE, API])

  const outcome = await aws.postern(["aws", "policy", "finance"])

  expect(outcome).toMatchObject({ code: 0, stderr: "" })
  expect(outcome.json<{ Statement: object[] }>().Statement).toEqual([
    {
      Sid: "CallThisApi",
      Effect: "Allow",
      Action: "execute-api:Invoke",
      Resource: ["POST", "GET", "DELETE"].map(
        (method) => `arn:aws:execute-api:ap-southeast-1:123456789012:my-mcp-service/prod/${method}/mcp`,
      ),
    },
  ])
  expect(aws.sts.calls).toEqual([])
})

test.concurrent("7: aws policy asks for an ARN that the address does not tell, and takes it", async () => {
  await using aws = await makeAwsPerson()
  const arn = "arn:aws:lambda:ap-southeast-1:123456789012:function:mcp"
  await aws.person.added(["add", "fn", "--aws", "--profile", "dev", "https://abc.lambda-url.ap-southeast-1.on.aws/"])

  const unknown = await aws.postern(["aws", "policy", "fn", "--json"])
  const known = await aws.postern(["aws", "policy", "fn", "--resource", arn])

  expect(unknown).toMatchObject({ code: 2 })
  expect(unknown.json<ErrorObject>().error.code).toBe("aws-resource-unknown")
  expect(known.json<{ Statement: object[] }>().Statement).toMatchObject([{ Resource: arn }, { Resource: arn }])
})

test.concurrent("7: aws commands about a server that is not signed for say so", async () => {
  await using aws = await makeAwsPerson()
  await aws.person.added(["add", "plain", "https://api.example/mcp"])

  for (const command of ["whoami", "policy"]) expect(await aws.postern(["aws", command, "plain"])).toMatchObject({ code: 2, stdout: "" })
})

test.concurrent("7: aws credentials is a credential_process of the real AWS tools, keeps nothing in clear, and fails in one line", async () => {
  await using aws = await makeAwsPerson()
  aws.sts.roles.set(ROLE, { trusts: [aws.ada.arn] })
  await aws.person.added(["add", "finance", "--aws", "--profile", "dev", "--assume-role", ROLE, API])

  const printed = await aws.postern(["aws", "credentials", "finance"])
  const keys = printed.json<Record<string, string | number>>()
  const wrong = await aws.postern(["aws", "credentials", "nobody"])

  expect(printed).toMatchObject({ code: 0, stderr: "" })
  expect(Object.keys(keys)).toEqual(["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "AccountId"])
  expect(keys).toMatchObject({ Version: 1, AccountId: "123456789012" })
  expect(aws.holders.get(String(keys["AccessKeyId"]))?.secretAccessKey).toBe(keys["SecretAccessKey"])
  expect(await whereIs(String(keys["SecretAccessKey"]), aws.person)).toEqual([])
  expect(wrong.code).not.toBe(0)
  expect(wrong.stdout).toBe("")
  expect(wrong.stderr.trim().split("\n")).toHaveLength(1)
})

test.skipIf(!existsSync("/usr/bin/aws"))("7: the AWS CLI takes the keys of an entry through credential_process", async () => {
  await using aws = await makeAwsPerson()
  aws.sts.roles.set(ROLE, { trusts: [aws.ada.arn] })
  await aws.person.added(["add", "finance", "--aws", "--profile", "dev", "--assume-role", ROLE, API])
  const command = aws.person.start(["--version"]).spawnargs.slice(0, 2).join(" ")
  await appendFile(join(aws.person.home, ".aws/config"), `[profile finance]\ncredential_process = ${command} aws credentials finance\n`)

  const env = { ...aws.person.env, ...aws.env }
  const { stdout } = await promisify(execFile)("/usr/bin/aws", ["configure", "export-credentials", "--profile", "finance"], { env })

  expect(aws.holders.get((JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId)?.arn).toContain("assumed-role/mcp-finance-bot-role")
})

test.concurrent("7: an entry whose profile asks Postern for the keys of that entry is a circle, and ends", async () => {
  await using aws = await makeAwsPerson()
  const command = aws.person.start(["--version"]).spawnargs.slice(0, 2).join(" ")
  await appendFile(join(aws.person.home, ".aws/config"), `[profile loop]\ncredential_process = ${command} aws credentials loop\n`)
  await aws.person.added(["add", "loop", "--aws", "--profile", "loop", API])

  const outcome = await aws.postern(["aws", "whoami", "loop", "--json"])

  expect(outcome.code).toBe(1)
  expect(outcome.json<ErrorObject>().error.evidence.join("\n")).toContain("a circle")
})

test.concurrent("2.5: aws login signs in on a page, keeps the session where all AWS tools find it, and answers the three questions", async () => {
  await using person = await makePerson()
  await using sso = await startAwsSso()
  await mkdir(join(person.home, ".aws"))
  await writeFile(join(person.home, ".aws/config"), ssoConfig())

  const login = person.start(["aws", "login", "--profile", "dev", "--no-browser"], { env: { AWS_ENDPOINT_URL: sso.url } })
  login.stderr.on("data", (chunk: Buffer) => {
    const code = /code: ([0-9A-F]{4}-[0-9A-F]{4})/.exec(chunk.toString())?.[1]
    if (code !== undefined) sso.decide(code, "approved")
  })
  const said: string[] = []
  login.stdout.on("data", (chunk: Buffer) => said.push(chunk.toString()))
  const exit = await new Promise((done) => login.on("close", done))

  const file = [...(await person.files()).keys()].find((path) => path.startsWith(".aws/sso/cache/"))
  expect(exit).toBe(0)
  expect(said.join("")).toMatch(/where: .*\/\.aws\/sso\/cache\/.*\n.*how long: 59 min.*\n.*who can use it: programs of this user/)
  expect((await stat(join(person.home, file ?? ""))).mode & 0o777).toBe(0o600)
  expect(sso.refusals).toEqual([])
})

test.concurrent("2.5: aws login for a profile that does not sign in by SSO names one that does", async () => {
  await using person = await makePerson()
  await mkdir(join(person.home, ".aws"))
  await writeFile(join(person.home, ".aws/config"), `${ssoConfig()}[profile keys]\nregion = us-east-1\n`)

  const outcome = await person.postern(["aws", "login", "--profile", "keys", "--json"])

  expect(outcome.code).toBe(2)
  expect(outcome.json<ErrorObject>().error).toMatchObject({ code: "aws-profile-not-sso", next: "postern aws login --profile dev" })
})
