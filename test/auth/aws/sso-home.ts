/** A person who signs in by AWS SSO: a home with the shared configuration, and a double of AWS SSO that they meet. */
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Interaction, SignInLink } from "../../../src/auth/interaction.ts"
import { readSharedConfig, sharedFiles } from "../../../src/auth/aws/shared-config.ts"
import { ssoTokenPath } from "../../../src/auth/aws/sso-cache.ts"
import { type SsoProfile, ssoProfileOf } from "../../../src/auth/aws/sso-session.ts"
import type { SsoTools } from "../../../src/auth/aws/sso-token.ts"
import { type Clock, systemClock } from "../../../src/core/clock.ts"
import { createHttp } from "../../../src/core/http.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { type AwsSso, ssoConfig, startAwsSso } from "../../servers/aws-sso.ts"

export interface SsoHome extends AsyncDisposable {
  readonly sso: AwsSso
  readonly home: string
  readonly env: NodeJS.ProcessEnv
  readonly tools: SsoTools
  /** Makes the kept token one that ends so many milliseconds from now, or has ended before. */
  setEnd(profile: SsoProfile, inMs: number): Promise<void>
  profile(name: string): Promise<SsoProfile>
  /** The token's file as it stands, parsed. */
  kept(profile: SsoProfile): Promise<Record<string, string>>
}

export async function makeSsoHome(): Promise<SsoHome> {
  const sso = await startAwsSso()
  const home = await mkdtemp(join(tmpdir(), "postern-sso-"))
  const env = { HOME: home, AWS_ENDPOINT_URL: sso.url }
  await mkdir(join(home, ".aws"))
  await writeFile(join(home, ".aws/config"), ssoConfig())
  const http = createHttp({ silenceMs: 10_000, connectMs: 5_000 })
  // Pauses are cut short: what is waited for on a page is decided before, and a lock needs only that others get their turn.
  const clock: Clock = { now: () => Date.now(), sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) }
  const kept: SsoHome["kept"] = async ({ session }) => JSON.parse(await readFile(ssoTokenPath(session), "utf8")) as Record<string, string> // an object of texts
  return {
    sso,
    home,
    env,
    tools: { http, env, clock, redactor: createRedactor(), signIn: "postern auth my-mcp" },
    async setEnd(profile, inMs) {
      const expiresAt = new Date(Date.now() + inMs).toISOString().replace(/\.\d+/, "")
      const path = ssoTokenPath(profile.session)
      await writeFile(path, JSON.stringify({ ...(await kept(profile)), expiresAt }))
      await utimes(path, hourAgo(), hourAgo()) // such a token was not written just now
    },
    async profile(name) {
      const profile = ssoProfileOf(await readSharedConfig(sharedFiles(env)), sharedFiles(env), name)
      if (profile === undefined) throw new Error(`there is no SSO profile ${name}`)
      return profile
    },
    kept,
    async [Symbol.asyncDispose]() {
      http.close()
      await sso[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

const hourAgo = (): Date => new Date(Date.now() - 3_600_000)

/** A person who does something with the link that they are shown. */
export function personWho(act: (link: SignInLink) => unknown): Interaction & { readonly links: SignInLink[] } {
  const links: SignInLink[] = []
  const nobody = async (): Promise<never> => {
    throw new Error("nothing is asked of this person")
  }
  return {
    links,
    askSecret: nobody,
    askText: nobody,
    async openLink(link) {
      links.push(link)
      await act(link)
      return "shown"
    },
    tell: () => undefined,
  }
}
