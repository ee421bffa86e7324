/**
 * The cache of AWS SSO, shared with an AWS CLI that signs in by authorization code and PKCE, as it does since 2.22. Debian 12 has an
 * older one, so such a CLI is named by POSTERN_AWS_CLI; without it these tests are left out (docs/aws.md says with which they were run).
 */
import { execFile, spawn } from "node:child_process"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, test } from "vitest"
import { ssoCredentials } from "../../../src/auth/aws/sso-role.ts"
import type { SsoProfile, SsoRole } from "../../../src/auth/aws/sso-session.ts"
import { signInSso } from "../../../src/auth/aws/sso-sign-in.ts"
import { freshSsoToken } from "../../../src/auth/aws/sso-token.ts"
import { makeSsoHome, personWho } from "../../auth/aws/sso-home.ts"

const AWS = process.env["POSTERN_AWS_CLI"]
const never = new AbortController().signal

/** A home with a browser, in which the CLI meets the double by AWS_ENDPOINT_URL, which these know. */
async function makeCodeHome(cli: string) {
  const home = await makeSsoHome()
  const env = { PATH: process.env["PATH"], ...home.env }
  const tools = { ...home.tools, env: { ...home.env, BROWSER: "a-browser" } }
  return {
    ...home,
    tools,
    /** `aws sso login`; the person follows the link that it prints, and ends at the CLI's own page. */
    async login(): Promise<void> {
      const child = spawn(cli, ["sso", "login", "--no-browser", "--profile", "dev"], { env, stdio: ["ignore", "pipe", "pipe"] })
      let said = ""
      let followed: Promise<unknown> | undefined
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          said += chunk.toString("utf8")
          const link = /http:\/\/\S+\/authorize\?\S+(?=\s)/.exec(said)?.[0]
          if (link !== undefined) followed ??= fetch(link).then((answer) => answer.text())
        })
      }
      const code = await new Promise<number | null>((done) => child.on("close", done))
      await followed
      if (code !== 0) throw new Error(`aws sso login: ${code}\n${said}`)
    },
    /** Signs in as `postern aws login` does. */
    signIn: ({ session }: SsoProfile) =>
      signInSso(
        session,
        personWho(async ({ url }) => (await fetch(url)).text()),
        { tools },
        never,
      ),
    async exported(): Promise<string> {
      const { stdout } = await promisify(execFile)(cli, ["configure", "export-credentials", "--profile", "dev"], { env })
      return (JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId // what the CLI prints for credential_process
    },
    grants: () => home.sso.seenAt("/token").map(({ body }) => body["grantType"]),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

describe.skipIf(AWS === undefined)("with an AWS CLI that signs in by PKCE", () => {
  const open = async () => {
    const home = await makeCodeHome(AWS ?? "")
    return Object.assign(home, { dev: await home.profile("dev") })
  }

  test("after its sign-in we take the role's keys without one of ours, and renew its token with its registration", async () => {
    await using home = await open()

    await home.login()
    const keys = await ssoCredentials(home.dev.session, home.dev.role as SsoRole, home.tools, never)
    await home.setEnd(home.dev, 5 * 60_000)
    await freshSsoToken(home.dev.session, home.tools, never)

    expect(home.grants()).toEqual(["authorization_code", "refresh_token"])
    expect(home.sso.keys.has(keys.accessKeyId)).toBe(true)
    expect(home.sso.refusals).toEqual([])
  })

  test("after our sign-in it takes the role's keys without one of its own, and renews our token with our registration", async () => {
    await using home = await open()

    await home.signIn(home.dev)
    const first = await home.exported()
    await rm(join(home.home, ".aws/cli"), { recursive: true }) // it keeps the role's keys for itself, and would not ask again
    await home.setEnd(home.dev, 5 * 60_000)
    const second = await home.exported()

    expect(home.grants()).toEqual(["authorization_code", "refresh_token"])
    for (const key of [first, second]) expect(home.sso.keys.has(key)).toBe(true)
    expect(home.sso.refusals).toEqual([])
  })

  test("one registration serves both, whoever signs in first", async () => {
    await using ours = await open()
    await using theirs = await open()

    await ours.signIn(ours.dev)
    await ours.login()
    await theirs.login()
    await theirs.signIn(theirs.dev)

    for (const { sso } of [ours, theirs]) {
      expect(sso.seenAt("/client/register")).toHaveLength(1)
      expect(sso.refusals).toEqual([])
    }
    expect([ours.grants(), theirs.grants()]).toEqual([
      ["authorization_code", "authorization_code"],
      ["authorization_code", "authorization_code"],
    ])
  })
})
