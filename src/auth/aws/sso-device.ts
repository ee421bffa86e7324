/** The sign-in by a code that a person types into a page on any machine (RFC 8628). */
import { passAddress } from "../../core/address-gate.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { SsoClient, SsoToken } from "./sso-cache.ts"
import { type SignInTools, notFinished } from "./sso-flow.ts"
import { createSsoToken, failed, oidcEndpoint, startDeviceSignIn } from "./sso-oidc.ts"
import type { SsoSession } from "./sso-session.ts"

/** What slow_down adds (RFC 8628 section 3.5), in milliseconds. */
const SLOWER_MS = 5_000

/** So many polls in a row may be lost on the way: a person is at the page meanwhile. */
const MOST_LOST = 3

/**
 * @throws {PosternError} `aws-sso-not-finished`, `address-refused`; what `createSsoToken` and `openLink` throw
 */
export async function signInByDevice(
  session: SsoSession,
  client: SsoClient,
  { interaction, tools }: SignInTools,
  signal: AbortSignal,
): Promise<SsoToken> {
  const { deviceCode, userCode, link, lifeMs, intervalMs } = await startDeviceSignIn(session, client, tools, signal)
  const url = passAddress(link, "open for a person", { home: oidcEndpoint(session, tools.env), allowPrivate: false })
  await interaction.openLink({ url, message: `Sign in to AWS SSO (${session.name ?? session.profile})`, code: userCode }, signal)
  const grant = { grantType: "urn:ietf:params:oauth:grant-type:device_code", deviceCode } as const
  const poll = (): ReturnType<typeof createSsoToken> =>
    createSsoToken(session, client, grant, { tools, nowMs: () => tools.clock.now(), signal })
  let pauseMs = intervalMs
  let lost = 0
  for (let waitedMs = 0; waitedMs < lifeMs; waitedMs += pauseMs) {
    await tools.clock.sleep(pauseMs, signal)
    const answer = await poll().catch((error: unknown) => {
      if (!(error instanceof PosternError) || signal.aborted || ++lost > MOST_LOST) throw error
      return undefined
    })
    if (answer === undefined) {
      pauseMs += SLOWER_MS // RFC 8628 section 3.5: what times out is asked less often
      continue
    }
    lost = 0
    if (!("error" in answer)) return answer
    if (answer.error === "slow_down") pauseMs += SLOWER_MS
    else if (answer.error === "access_denied") throw notFinished(session, tools, true)
    else if (answer.error === "expired_token") break
    else if (answer.error !== "authorization_pending") throw failed(session, "finish the sign-in", answer)
  }
  throw notFinished(session, tools, false)
}
