/**
 * What a refusal of AWS means: one table, from the type and form of the answer and from what was sent, to one diagnosis.
 *
 * API Gateway says `InvalidSignatureException` for a wrong key, a wrong clock, a wrong region and a wrong service alike, and "Missing
 * Authentication Token" for a path that does not exist. What tells them apart are texts that AWS composes from fixed parts, so they are
 * matched whole and here, where the answer is. Nothing but an expiry is called an expiry.
 */
import type { Diagnosis } from "../../core/diagnosis.ts"
import type { OutgoingRequest } from "../../core/http.ts"
import type { Identity } from "../../core/identity.ts"
import { type AwsError, type ReadAnswer, readAwsError } from "./aws-error.ts"
import { differences } from "./canonical.ts"
import { readDenial } from "./denial.ts"
import * as denials from "./denial-diagnoses.ts"
import * as told from "./refusal-diagnoses.ts"
import { type SignatureFacts, readAmzDate, signatureOf } from "./signed-request.ts"

/** What was sent, and as whom. */
export interface SentSigned {
  readonly server: string
  readonly request: OutgoingRequest
  readonly identity: Pick<Identity, "subject" | "source">
  /** The one step that brings fresh credentials from the same source, for example `postern auth NAME`. */
  readonly renew: string
}

/** What can be done about a refusal without a person: correct the clock, take fresh credentials, or nothing. */
export type Remedy = "clock" | "fresh-credentials" | "none"

/** What an answer means, what can be done about it here, and what it said. */
export interface AwsRefusal {
  readonly diagnosis: Diagnosis
  readonly remedy: Remedy
  readonly error: AwsError
}

interface Refused extends told.Seen {
  readonly error: AwsError
  readonly sent: SentSigned
  readonly signature: SignatureFacts | undefined
}

interface Rule {
  readonly applies: (refused: Refused) => boolean
  readonly tell: (refused: Refused) => Diagnosis
  readonly remedy?: Remedy
}

/** @returns what the answer means; there is always one: what nobody knows is told with all that was seen */
export function readRefusal(answer: ReadAnswer, sent: SentSigned): AwsRefusal {
  const error = readAwsError(answer)
  const signature = signatureOf(sent.request)
  const refused: Refused = { error, sent, signature, server: sent.server, evidence: evidenceOf(error, sent, signature) }
  const rule = RULES.find(({ applies }) => applies(refused))
  return { diagnosis: rule ? rule.tell(refused) : told.refusedUnknown(refused), remedy: rule?.remedy ?? "none", error }
}

const isType =
  (...types: readonly string[]) =>
  ({ error }: Refused): boolean =>
    types.includes(error.type?.replace(/Exception$/, "") ?? "")

const isText =
  (pattern: RegExp) =>
  ({ error }: Refused): boolean =>
    pattern.test(error.message ?? "")

const both =
  (...conditions: readonly ((refused: Refused) => boolean)[]) =>
  (refused: Refused): boolean =>
    conditions.every((applies) => applies(refused))

const isMissingToken = isType("MissingAuthenticationToken", "MissingAuthenticationTokenError")
const isBadSignature = isType(
  "InvalidSignature",
  "SignatureDoesNotMatch",
  "AuthorizationHeaderMalformed",
  "RequestTimeTooSkewed",
  "RequestExpired",
)
const isDenied = isType("AccessDenied", "UnauthorizedOperation", "Unauthorized", "NotAuthorized")
const isBareForbidden = isText(/^Forbidden$/)

const EXPIRED = /^Signature expired: (\d{8}T\d{6}Z) is now earlier than \d{8}T\d{6}Z \((\d{8}T\d{6}Z) - /
const EARLY = /^Signature not yet current: (\d{8}T\d{6}Z) is still later than \d{8}T\d{6}Z \((\d{8}T\d{6}Z) \+ /
const WRONG_SERVICE = /Credential should be scoped to correct service: '([^']+)'/
const WRONG_REGION = /Credential should be scoped to a valid region|the region '[^']+' is wrong; expecting '([^']+)'/
const KEY_UNKNOWN = isType("UnrecognizedClient", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken")

/** The first that applies counts. */
const RULES: readonly Rule[] = [
  {
    applies: both(isMissingToken, ({ signature, error }) => signature !== undefined && error.door === "rest-api"),
    tell: ({ sent, ...refused }) => told.routeUnknown({ ...refused, method: sent.request.method, path: sent.request.url.pathname }),
  },
  { applies: isMissingToken, tell: (refused) => told.tokenMissing({ ...refused, wasSigned: refused.signature !== undefined }) },
  { applies: isType("IncompleteSignature"), tell: told.signatureIncomplete },
  { applies: both(isBadSignature, isText(EXPIRED)), tell: (refused) => told.clockBehind(withClocks(refused, EXPIRED)), remedy: "clock" },
  { applies: both(isBadSignature, isText(EARLY)), tell: (refused) => told.clockAhead(withClocks(refused, EARLY)), remedy: "clock" },
  {
    applies: both(isBadSignature, isText(WRONG_SERVICE)),
    tell: (refused) =>
      told.wrongService({ ...refused, ...scopeOf(refused), right: WRONG_SERVICE.exec(refused.error.message ?? "")?.[1] ?? "" }),
  },
  {
    applies: both(isBadSignature, isText(WRONG_REGION)),
    tell: (refused) => told.wrongRegion({ ...refused, ...scopeOf(refused), right: WRONG_REGION.exec(refused.error.message ?? "")?.[1] }),
  },
  {
    applies: isBadSignature,
    tell: (refused) =>
      told.signatureMismatch({
        ...refused,
        differences: differences(refused.error.message ?? "", refused.sent.request),
        renew: refused.sent.renew,
      }),
  },
  {
    applies: isType("ExpiredToken"),
    tell: (refused) => told.sessionExpired({ ...refused, renew: refused.sent.renew }),
    remedy: "fresh-credentials",
  },
  {
    applies: both(KEY_UNKNOWN, ({ signature }) => signature?.isTemporary === true && !signature.hasToken),
    tell: (refused) => told.tokenLacking({ ...refused, source: refused.sent.identity.source }),
  },
  { applies: KEY_UNKNOWN, tell: (refused) => told.keyUnknown({ ...refused, renew: refused.sent.renew }), remedy: "fresh-credentials" },
  { applies: isText(/^Authorization method mismatch/), tell: told.methodMismatch },
  {
    applies: both(isDenied, isText(/^Forbidden\. For troubleshooting Function URL/)),
    tell: (refused) => told.functionUrlDenied({ ...refused, subject: refused.sent.identity.subject }),
  },
  { applies: (refused) => isDenied(refused) || readDenial(refused.error.message) !== undefined, tell: tellDenied },
  {
    applies: both(isBareForbidden, ({ error }) => error.door === "http-api"),
    tell: (refused) => told.forbiddenUnsaid({ ...refused, checks: selfCheck(refused) }),
  },
  { applies: (refused) => isType("Forbidden")(refused) || isBareForbidden(refused), tell: told.forbiddenByGateway },
  { applies: isType("Throttling", "TooManyRequests", "LimitExceeded", "RequestLimitExceeded"), tell: told.throttled },
]

/** AWS names the caller, the action and the kind of policy; each kind is somebody else's to change. */
function tellDenied(refused: Refused): Diagnosis {
  const denial = readDenial(refused.error.message)
  const { subject } = refused.sent.identity
  const seen = { ...refused, denial, subject }
  if (denial?.caller === "anonymous") return denials.deniedAnonymous(seen)
  if (denial?.isExplicit) return denials.deniedExplicitly(seen)
  switch (denial?.policy) {
    case "identity-based policy":
      return denials.deniedIdentity(seen)
    case "resource-based policy":
      return denials.deniedResource(seen)
    case "session policy":
      return denials.deniedSession(seen)
    case "permissions boundary":
      return denials.deniedBoundary(seen)
    case "service control policy":
    case "resource control policy":
      return denials.deniedOrganization(seen)
    case "VPC endpoint policy":
      return denials.deniedNetwork(seen)
    default:
      return denials.denied(seen)
  }
}

/** The clocks of both sides, as AWS wrote them: ours from the signature, its own from the bound. */
function withClocks(refused: Refused, pattern: RegExp): told.Seen & { readonly offMs: number } {
  const [, ours = "", theirs = ""] = pattern.exec(refused.error.message ?? "") ?? []
  return { ...refused, offMs: Math.abs((readAmzDate(ours) ?? 0) - (readAmzDate(theirs) ?? 0)) }
}

function scopeOf({ signature }: Refused): { readonly signedFor: { readonly service: string; readonly region: string } } {
  return { signedFor: { service: signature?.service ?? "nothing", region: signature?.region ?? "no region" } }
}

/** What a refusal that gives no reason can be checked for without asking anybody. */
function selfCheck({ error, signature, sent }: Refused): readonly string[] {
  if (signature === undefined) return ["the request bore no signature"]
  const offS =
    error.dateMs === undefined || signature.signedAtMs === undefined ? undefined : Math.round((signature.signedAtMs - error.dateMs) / 1000)
  const hostFits = sent.request.url.hostname.split(".").includes(signature.region)
  return [
    offS === undefined
      ? "the clock could not be compared"
      : `clock: ${Math.abs(offS)} s from AWS's, which is ${Math.abs(offS) > 300 ? "too much" : "well"}`,
    `region ${signature.region}: ${hostFits ? "the host's own" : "not a part of the host's name"}`,
    ...(signature.isTemporary && !signature.hasToken ? ["the key is a temporary one, and its session token is missing"] : []),
  ]
}

function evidenceOf(
  { status, type, requestId }: AwsError,
  { identity }: SentSigned,
  signature: SignatureFacts | undefined,
): readonly string[] {
  return [
    `answer: HTTP ${status}${type === undefined ? "" : ` ${told.quoteShort(type)}`}`,
    ...(signature === undefined
      ? ["the request bore no signature"]
      : [`signed for ${signature.service} in ${signature.region} with key ${signature.key}`]),
    `as ${identity.subject}, from ${identity.source}`,
    ...(requestId === undefined ? [] : [`AWS's request id: ${told.quoteShort(requestId)}`]),
  ]
}
