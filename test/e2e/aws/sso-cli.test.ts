/** The cache of AWS SSO is shared: what the real AWS CLI and the JavaScript SDK write we read, and what we write they read. */
import { execFile, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { createInterface } from "node:readline"
import { promisify } from "node:util"
import { describe, expect, test } from "vitest"
import { ssoCredentials } from "../../../src/auth/aws/sso-role.ts"
import type { SsoRole } from "../../../src/auth/aws/sso-session.ts"
import { signInSso } from "../../../src/auth/aws/sso-sign-in.ts"
import { freshSsoToken } from "../../../src/auth/aws/sso-token.ts"
import { startAwsHosts } from "../../servers/aws-hosts.ts"
import { makeSsoHome, personWho } from "../../auth/aws/sso-home.ts"

/** Debian's, whose `sso login` this machine has; a CLI of a Python environment has none. */
const AWS = "/usr/bin/aws"
const never = new AbortController().signal

/** A home in which the AWS CLI meets the double under AWS's own host names. */
async function makeCliHome() {
  const home = await makeSsoHome()
  const names = ["oidc.us-east-1.amazonaws.com", "portal.sso.us-east-1.amazonaws.com"]
  const hosts = await startAwsHosts(names, home.sso.listener)
  const env = { PATH: process.env["PATH"], HOME: home.home, ...hosts.env }
  const aws = (...args: readonly string[]) => promisify(execFile)(AWS, [...args], { env })
  return {
    ...home,
    hosts,
    /** `aws sso login`; the person approves the code that it prints. */
    async login(profile: string): Promise<void> {
      const child = spawn(AWS, ["sso", "login", "--no-browser", "--profile", profile], { env, stdio: ["ignore", "pipe", "pipe"] })
      const ended = new Promise<number | null>((done) => child.on("close", done))
      let said = ""
      for (const stream of [child.stdout, child.stderr]) {
        createInterface(stream).on("line", (line) => {
          said += `${line}\n`
          if (/^[0-9A-F]{4}-[0-9A-F]{4}$/.test(line)) home.sso.decide(line, "approved")
        })
      }
      const code = await ended
      if (code !== 0) throw new Error(`aws sso login: ${code}\n${said}`)
    },
    async exported(profile: string): Promise<{ readonly AccessKeyId: string }> {
      const { stdout } = await aws("configure", "export-credentials", "--profile", profile)
      return JSON.parse(stdout) as { AccessKeyId: string }
    },
    async [Symbol.asyncDispose]() {
      await hosts[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

const approving = (home: { readonly sso: { decide(code: string, decision: "approved"): void } }) =>
  personWho(({ code }) => home.sso.decide(code ?? "", "approved"))

describe.skipIf(!existsSync(AWS))("with the real AWS CLI", () => {
  test.each(["dev", "old"])("after aws sso login --profile %s we take the role's keys without a sign-in of ours", async (name) => {
    await using home = await makeCliHome()
    const profile = await home.profile(name)

    await home.login(name)
    const keys = await ssoCredentials(profile.session, profile.role as SsoRole, home.tools, never)

    expect(home.hosts.hosts).toContain("oidc.us-east-1.amazonaws.com") // the CLI did speak to the double
    expect(home.sso.keys.has(keys.accessKeyId)).toBe(true)
    expect(home.sso.refusals).toEqual([])
  })

  test.each(["dev", "old"])("after our sign-in for %s the AWS CLI takes the role's keys without one of its own", async (name) => {
    await using home = await makeCliHome()
    const { session } = await home.profile(name)

    await signInSso(session, approving(home), { tools: home.tools }, never)
    const { AccessKeyId } = await home.exported(name)

    expect(home.hosts.hosts).toContain("portal.sso.us-east-1.amazonaws.com")
    expect(home.sso.keys.has(AccessKeyId)).toBe(true)
    expect(home.sso.refusals).toEqual([])
  })

  test("our registration is the file that the CLI looks for, and its registration the one that we use", async () => {
    await using home = await makeCliHome()
    const { session } = await home.profile("dev")
    await using other = await makeCliHome()
    const { session: otherSession } = await other.profile("dev")

    await home.login("dev")
    await signInSso(session, approving(home), { tools: home.tools }, never)
    await signInSso(otherSession, approving(other), { tools: other.tools }, never)
    await other.login("dev")

    for (const { sso } of [home, other]) {
      expect(sso.seenAt("/client/register")).toHaveLength(1)
      expect(sso.seenAt("/device_authorization")).toHaveLength(2)
    }
    expect((await readdir(session.cache)).toSorted()).toEqual((await readdir(otherSession.cache)).toSorted())
  })

  test("a token that we have renewed is one that the CLI goes on with", async () => {
    await using home = await makeCliHome()
    const profile = await home.profile("dev")
    await home.login("dev")
    await home.setEnd(profile, 5 * 60_000)

    await freshSsoToken(profile.session, home.tools, never)
    const { AccessKeyId } = await home.exported("dev")

    expect(home.sso.seenAt("/token").filter(({ body }) => body["grantType"] === "refresh_token")).toHaveLength(1)
    expect(home.sso.keys.has(AccessKeyId)).toBe(true)
    expect(home.sso.refusals).toEqual([])
  })
})

test("after our sign-in the JavaScript SDK takes the role's keys, and renews our token with our registration", async () => {
  await using home = await makeSsoHome()
  const { session } = await home.profile("dev")
  home.sso.tokenSeconds = 200 // less than the SDK wants, so that it renews at once
  await signInSso(session, approving(home), { tools: home.tools }, never)
  const files = { configFilepath: `${home.home}/.aws/config`, filepath: `${home.home}/.aws/credentials` }

  const script = `
    import { fromIni } from "@aws-sdk/credential-providers"
    const { accessKeyId } = await fromIni({ profile: "dev", ignoreCache: true, ...${JSON.stringify(files)}, clientConfig: { endpoint: ${JSON.stringify(home.sso.url)} } })()
    process.stdout.write(accessKeyId)`
  const env = { ...process.env, ...home.env, AWS_PROFILE: undefined }
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { env, cwd: process.cwd() })
  const token = await freshSsoToken(session, home.tools, never)

  expect(home.sso.keys.has(stdout)).toBe(true)
  expect(home.sso.seenAt("/token").map(({ body }) => body["grantType"])).toContain("refresh_token")
  expect(token.refreshToken).toBeDefined()
  expect(home.sso.refusals).toEqual([])
})
