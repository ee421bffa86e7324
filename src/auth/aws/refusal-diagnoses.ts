/** Why AWS refused a signed request, each kind with the one step that mends it. Denials stand in `denial-diagnoses.ts`. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand } from "../../core/shell.ts"

/** What every diagnosis of a refusal has seen. */
export interface Seen {
  readonly server: string
  readonly evidence: readonly string[]
}

/** Text from outside that belongs into the middle of a sentence. */
export const quoteShort = (text: string): string => quote(text, 80)

/** `MissingAuthenticationToken`, unless a REST API says it to a signed request (`routeUnknown`); `wasSigned` splits the two causes. */
export const tokenMissing = defineDiagnosis({
  code: "aws-signature-missing",
  about:
    "AWS found no signature on the request. Postern had signed it, so that something in between (a proxy, CloudFront without an origin request policy) took the Authorization header away; or the request was not signed at all.",
  tell: ({ server, evidence, wasSigned }: Seen & { wasSigned: boolean }) => ({
    cause: wasSigned
      ? `The request to "${server}" left signed, and AWS found no signature on it: something in between takes the Authorization header away.`
      : `AWS wants a signature, and the request to "${server}" had none.`,
    evidence,
    next: wasSigned
      ? `compare the address in ${posternCommand("get", server)} with the one that AWS gave: it must lead straight to the endpoint`
      : posternCommand("get", server),
  }),
})

/** `MissingAuthenticationToken` from a REST API (it sends `x-amz-apigw-id`) to a request that was signed. */
export const routeUnknown = defineDiagnosis({
  code: "aws-route-unknown",
  about:
    'A REST API answered "Missing Authentication Token" to a request that was signed. API Gateway says so of a stage, path or method that does not exist: this is no question of identity.',
  tell: ({ server, evidence, method, path }: Seen & { method: string; path: string }) => ({
    cause: `The REST API behind "${server}" has no ${method} ${quoteShort(path)}: API Gateway then says "Missing Authentication Token", although the request was signed.`,
    evidence,
    next: `correct stage and path of the address: ${posternCommand("get", server)}`,
  }),
})

/** `IncompleteSignature`. */
export const signatureIncomplete = defineDiagnosis({
  code: "aws-signature-incomplete",
  about:
    "AWS could not read the signature: a part of the Authorization header is missing, or another scheme (such as Bearer) stands in it. Postern writes it whole, so something changed it on the way, or an entry sets the header itself.",
  tell: ({ server, evidence }: Seen) => ({
    cause: `AWS could not read the Authorization header of the request to "${server}".`,
    evidence,
    next: `see that the entry sets no Authorization header of its own: ${posternCommand("get", server)}`,
  }),
})

/**
 * A refused signature for which no clock, service or region is blamed; `differences` is undefined where AWS does not tell what it received.
 */
export const signatureMismatch = defineDiagnosis({
  code: "aws-signature-mismatch",
  about:
    "AWS worked out another signature than the request bore. Where AWS tells what it received, Postern compares: if nothing differs, the secret key does not belong to the access key; if something does, a program in between rewrites requests.",
  tell: ({ server, evidence, differences, renew }: Seen & { differences: readonly string[] | undefined; renew: string }) => ({
    cause:
      differences !== undefined && differences.length > 0
        ? `The request to "${server}" arrived at AWS otherwise than it was signed.`
        : `AWS works out another signature for the request to "${server}": most likely the secret key does not belong to the access key.`,
    evidence: [
      ...evidence,
      ...(differences ?? ["AWS did not say what it received"]),
      ...(differences?.length === 0 ? ["method, headers and body arrived as they were sent"] : []),
    ],
    next: differences !== undefined && differences.length > 0 ? "let the proxy in between pass requests unchanged, or go around it" : renew,
  }),
})

/** `Signature expired` with both times in it; `offMs` is how far they are apart, in milliseconds. Its remedy is AWS's time. */
export const clockBehind = defineDiagnosis({
  code: "aws-clock-behind",
  about:
    "A signature counts for five minutes from the moment that stands in it, and this machine's clock is behind AWS's by more. Postern takes AWS's time and signs once more; this is told when that was refused too. The credentials are not the cause.",
  tell: ({ server, evidence, offMs }: Seen & { offMs: number }) => ({
    cause: `This machine's clock is ${minutes(offMs)} behind AWS's, so the signature of the request to "${server}" counts as too old.`,
    evidence,
    next: "set the clock: sudo timedatectl set-ntp true",
  }),
})

/** `Signature not yet current` with both times in it; `offMs` as in `clockBehind`. */
export const clockAhead = defineDiagnosis({
  code: "aws-clock-ahead",
  about:
    "This machine's clock is ahead of AWS's by more than five minutes, so the signature comes from the future. Postern takes AWS's time and signs once more; this is told when that was refused too.",
  tell: ({ server, evidence, offMs }: Seen & { offMs: number }) => ({
    cause: `This machine's clock is ${minutes(offMs)} ahead of AWS's, so the signature of the request to "${server}" is not yet current.`,
    evidence,
    next: "set the clock: sudo timedatectl set-ntp true",
  }),
})

interface Scoped {
  readonly signedFor: { readonly service: string; readonly region: string }
}

/** `Credential should be scoped to correct service`; `right` is the one that AWS names. */
export const wrongService = defineDiagnosis({
  code: "aws-wrong-service",
  about: "The request was signed for another AWS service than the one that answered. The service is part of the signature.",
  tell: ({ server, evidence, signedFor, right }: Seen & Scoped & { right: string }) => ({
    cause: `The request to "${server}" was signed for the service ${signedFor.service}, and AWS wants ${quoteShort(right)}.`,
    evidence,
    next: `set "service": ${JSON.stringify(quoteShort(right))} under "aws" in the server's entry`,
  }),
})

/** `Credential should be scoped to a valid region`, or a region that AWS calls wrong; `right` is undefined where it names none. */
export const wrongRegion = defineDiagnosis({
  code: "aws-wrong-region",
  about: "The request was signed for another region than the one that answered. The region is part of the signature.",
  tell: ({ server, evidence, signedFor, right }: Seen & Scoped & { right: string | undefined }) => ({
    cause: `The request to "${server}" was signed for the region ${signedFor.region}, and the endpoint is in ${right === undefined ? "another one" : quoteShort(right)}.`,
    evidence,
    next: `set "region": ${right === undefined ? "the endpoint's own" : JSON.stringify(quoteShort(right))} under "aws" in the server's entry`,
  }),
})

/** `ExpiredToken`. Fresh credentials are tried once; `renew` is the command that makes a person get some. */
export const sessionExpired = defineDiagnosis({
  code: "aws-session-expired",
  about: "The temporary credentials have come to their end. AWS says so itself; nothing else is called an expiry.",
  kind: "sign-in",
  tell: ({ server, evidence, renew }: Seen & { renew: string }) => ({
    cause: `The temporary AWS credentials for "${server}" have expired.`,
    evidence,
    next: renew,
  }),
})

/** A key that AWS does not know, which begins with ASIA and was sent without a session token. */
export const tokenLacking = defineDiagnosis({
  code: "aws-session-token-missing",
  about: "The access key is a temporary one (it begins with ASIA), and the session token that belongs to it was not given.",
  tell: ({ server, evidence, source }: Seen & { source: string }) => ({
    cause: `The AWS key for "${server}" is a temporary one, and its session token is missing.`,
    evidence,
    next: `give AWS_SESSION_TOKEN (aws_session_token in a file) beside the key in ${source}`,
  }),
})

/** `UnrecognizedClient`, `InvalidClientTokenId`, `InvalidAccessKeyId` or `InvalidToken` with credentials that look whole. */
export const keyUnknown = defineDiagnosis({
  code: "aws-key-unknown",
  about:
    "AWS does not know the access key: it was deleted or deactivated, belongs to another partition (China, GovCloud), or its session token belongs to another key. It has not expired: AWS says that otherwise.",
  tell: ({ server, evidence, renew }: Seen & { renew: string }) => ({
    cause: `AWS does not know the access key that signed the request to "${server}": deleted, deactivated, or of another partition.`,
    evidence,
    next: renew,
  }),
})

/** AgentCore's `Authorization method mismatch`. */
export const methodMismatch = defineDiagnosis({
  code: "aws-method-mismatch",
  about: "The Bedrock AgentCore runtime or gateway is configured for OAuth tokens, and refuses signatures; or the other way round.",
  tell: ({ server, evidence }: Seen) => ({
    cause: `The endpoint of "${server}" wants an OAuth token, and no signature.`,
    evidence,
    next: `${posternCommand("remove", server)}, then add it again without --aws: it signs in by OAuth`,
  }),
})

/** A denial whose text begins `Forbidden. For troubleshooting Function URL`. */
export const functionUrlDenied = defineDiagnosis({
  code: "aws-function-url-denied",
  about:
    "A Lambda function URL refused the caller. URLs that were made since October 2025 need two permissions: lambda:InvokeFunctionUrl and lambda:InvokeFunction.",
  tell: ({ server, evidence, subject }: Seen & { subject: string }) => ({
    cause: `The function URL of "${server}" does not let ${subject} in: it needs lambda:InvokeFunctionUrl and, for a URL made since October 2025, lambda:InvokeFunction.`,
    evidence,
    next: posternCommand("aws policy", server),
  }),
})

/** A bare `Forbidden` from an HTTP API (it sends `apigw-requestid`); `checks` is what this machine found by itself. */
export const forbiddenUnsaid = defineDiagnosis({
  code: "aws-forbidden-unsaid",
  about:
    'An HTTP API of API Gateway answers "Forbidden" to everything it refuses: a wrong key, a wrong clock, a missing permission. Postern checks what can be checked here, and says what it found.',
  tell: ({ server, evidence, checks }: Seen & { checks: readonly string[] }) => ({
    cause: `The HTTP API behind "${server}" refuses without a reason, as it does for every cause; what can be checked here follows.`,
    evidence: [...evidence, ...checks, "not checked: whether the key is valid, and whether a policy allows execute-api:Invoke"],
    next: posternCommand("aws whoami", server),
  }),
})

/** A `Forbidden` that neither an HTTP API nor a policy has said. */
export const forbiddenByGateway = defineDiagnosis({
  code: "aws-forbidden-gateway",
  about:
    "API Gateway itself refused, before any policy was asked: the API wants an API key, a custom domain has no mapping for this path, or a web application firewall (WAF) stopped the request.",
  tell: ({ server, evidence }: Seen) => ({
    cause: `API Gateway refused the request to "${server}" before it looked at permissions: an API key that it wants, a path without a mapping, or a firewall.`,
    evidence,
    next: `if the API wants a key, add the header x-api-key to the entry; otherwise ask the endpoint's owner about mappings and WAF`,
  }),
})

/** `Throttling`, `TooManyRequests`, `LimitExceeded` or `RequestLimitExceeded`. */
export const throttled = defineDiagnosis({
  code: "aws-throttled",
  about:
    "AWS counted more requests than are allowed in a time: of the caller, of the API, or of the account. Nobody's credentials are wrong.",
  tell: ({ server, evidence }: Seen) => ({
    cause: `AWS throttles the requests to "${server}".`,
    evidence,
    next: "wait, then try again; the endpoint's owner can raise the limit",
  }),
})

/** Told when no rule of `refusal.ts` applies. */
export const refusedUnknown = defineDiagnosis({
  code: "aws-refused",
  about: "AWS, or the program behind the endpoint, refused with an answer that has none of the known forms.",
  tell: ({ server, evidence }: Seen) => ({
    cause: `The endpoint of "${server}" refused the signed request, and not in one of AWS's own ways: the program behind it may have.`,
    evidence,
    next: "ask the endpoint's owner, with the request id",
  }),
})

function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
}
