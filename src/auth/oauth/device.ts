/** Signing in from any device (RFC 8628): a page that a person opens wherever they like, and a code that they enter there. */
import * as oauth from "oauth4webapi"
import * as v from "valibot"
import { passAddress } from "../../core/address-gate.ts"
import type { Clock } from "../../core/clock.ts"
import { PosternError, failedWith } from "../../core/diagnosis.ts"
import { answerTooSlow, connectionLost, serverSilent, serverUnreachable } from "../../core/http-failures.ts"
import type { Interaction } from "../interaction.ts"
import type { MethodTools } from "../tools.ts"
import { type Reach, clientOf, proofOf, sendForm } from "./authorization-server.ts"
import { oauthConsentRefused, oauthMetadataInvalid, oauthSignInTimeout } from "./diagnoses.ts"
import type { Destination } from "./discovery.ts"
import { type AskedAs, type TokenOutcome, judgeTokens, signInFault, wordsOf } from "./exchange.ts"

const VISIBLE = /^[\x20-\x7e]{1,1024}$/
const schema = v.object({
  device_code: v.pipe(v.string(), v.regex(VISIBLE)),
  user_code: v.pipe(v.string(), v.regex(VISIBLE), v.maxLength(64)),
  verification_uri: v.string(),
  verification_uri_complete: v.exactOptional(v.string()),
  expires_in: v.pipe(v.number(), v.minValue(1)),
  interval: v.exactOptional(v.pipe(v.number(), v.minValue(0))),
})

/** What a device flow is for. */
export interface DeviceFlow extends AskedAs {
  readonly destination: Destination
  readonly scopes: readonly string[]
}

type DeviceTools = Pick<MethodTools, "clock" | "redactor">

/** RFC 8628 section 3.2: where the server says nothing, in seconds. */
const DEFAULT_INTERVAL = 5
/** Section 3.5: what `slow_down` adds, in seconds. */
const SLOWER_BY = 5
const SLOWEST = 60
/** A server that names no pause at all is not asked without one, in seconds. */
const FASTEST = 1
/** Failures of a connection, after which the server may be asked again. */
const PASSING = [serverUnreachable, serverSilent, connectionLost, answerTooSlow] as const

/**
 * Shows a person the page and the code, and asks the server until they have decided.
 *
 * @returns tokens; refusals of the person, and the code's end, are thrown
 * @throws {PosternError} `oauth-consent-refused`, `oauth-sign-in-timeout`, `oauth-metadata-invalid`, `oauth-token-refused`,
 *   `oauth-client-refused`, `address-refused`, and what the connection throws
 */
export async function signInByDevice(
  flow: DeviceFlow,
  { reach, interaction, tools }: { readonly reach: Reach; readonly interaction: Interaction; readonly tools: DeviceTools },
  signal: AbortSignal,
): Promise<TokenOutcome> {
  const { server, destination } = flow
  const { clock } = tools
  const device = await authorizeDevice(flow, reach, signal)
  tools.redactor.learnPassing(device.device_code)
  const url = passAddress(device.verification_uri_complete ?? device.verification_uri, "open for a person", reach.policy)
  const message = `Sign in to ${server.name} (issuer ${new URL(destination.issuer).host}), on this device or another`
  await interaction.openLink({ url, message, code: device.user_code }, signal)

  let intervalMs = 1000 * Math.min(Math.max(device.interval ?? DEFAULT_INTERVAL, FASTEST), SLOWEST)
  for (let waitedMs = 0; waitedMs < device.expires_in * 1000; waitedMs += intervalMs) {
    await clock.sleep(intervalMs, signal)
    const outcome = await askForTokens(flow, device.device_code, { reach, clock }).catch(slowDownIfPassing)
    if ("tokens" in outcome) return outcome
    const { error, status } = outcome.refusal
    if (error === "slow_down" || status === 429 || status >= 500) intervalMs = Math.min(intervalMs + 1000 * SLOWER_BY, 1000 * SLOWEST)
    else if (error === "access_denied") throw new PosternError(oauthConsentRefused({ server, error, said: outcome.refusal.said ?? "" }))
    else if (error === "expired_token") break
    else if (error !== "authorization_pending") return outcome
  }
  throw new PosternError(oauthSignInTimeout({ server, limitMs: device.expires_in * 1000 }))
}

/** RFC 8628 section 3.5: the person is on their way, and a connection that fails meanwhile is a reason to ask less often. */
function slowDownIfPassing(error: unknown): TokenOutcome {
  if (!failedWith(error, ...PASSING)) throw error
  return { refusal: { status: 0, error: "slow_down", said: undefined } }
}

async function authorizeDevice(flow: DeviceFlow, reach: Reach, signal: AbortSignal): Promise<v.InferOutput<typeof schema>> {
  const { destination, client, scopes } = flow
  const { metadata, resourceParameter } = destination
  const parameters = {
    ...(scopes.length > 0 ? { scope: scopes.join(" ") } : {}),
    ...(resourceParameter === undefined ? {} : { resource: resourceParameter }),
  }
  const { status, json } = await sendForm(
    (options) => oauth.deviceAuthorizationRequest(metadata, clientOf(client), proofOf(client), parameters, options),
    reach,
    signal,
  )
  if (status !== 200) throw signInFault(flow, { status, ...wordsOf(json) })
  const parsed = v.safeParse(schema, json)
  if (parsed.success) return parsed.output
  const fault = `${v.getDotPath(parsed.issues[0]) ?? "the answer"} of its device authorization is not what it should be`
  throw new PosternError(oauthMetadataInvalid({ address: metadata.device_authorization_endpoint ?? metadata.issuer, fault }))
}

/** Nobody's impatience tears it: the answer may be the tokens, which are given once. */
async function askForTokens(
  { destination, client }: DeviceFlow,
  deviceCode: string,
  { reach, clock }: { readonly reach: Reach; readonly clock: Clock },
): Promise<TokenOutcome> {
  const { metadata, resourceParameter } = destination
  const additionalParameters = resourceParameter === undefined ? {} : { resource: resourceParameter }
  const answer = await sendForm(
    (options) =>
      oauth.deviceCodeGrantRequest(metadata, clientOf(client), proofOf(client), deviceCode, { ...options, additionalParameters }),
    reach,
    new AbortController().signal,
  )
  return judgeTokens(answer, { issuer: metadata.issuer, clientId: client.id, nowMs: clock.now() })
}
