/** What a refusal says about the era of a server (S21, S22): *modern* since 2026-07-28, stateless; *legacy* before, with `initialize`. */
import type { Frame } from "../frame.ts"
import { memberText } from "../json-text.ts"
import { type Refusal, serverError } from "../server/refusal.ts"

/** How a server or a client speaks: with `initialize`, as all revisions before 2026-07-28 do, or without. */
export type Era = "legacy" | "modern"

/** The first modern revision. */
export const MODERN_REVISION = "2026-07-28"

/** The headers do not say what the body says, or one is missing. */
export const HEADER_MISMATCH = -32020
const MISSING_CAPABILITY = -32021
const UNSUPPORTED_REVISION = -32022
const METHOD_NOT_FOUND = -32601
const INVALID_PARAMS = -32602

const MODERN_CODES: ReadonlySet<unknown> = new Set([HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_REVISION])

/** The parts of a JSON-RPC error that are looked at. */
export interface ErrorFacts {
  readonly code?: unknown
  /** The revisions that the server says it speaks. */
  readonly supported?: readonly string[]
}

/** @returns the facts of the JSON-RPC error in a refusal's body, or undefined where it holds none for this request */
export function errorFacts({ body }: Refusal, request: Frame): ErrorFacts | undefined {
  const text = serverError(body, request.id)
  return text === undefined ? undefined : readError(text)
}

/** @param text - of a JSON-RPC error */
export function readError(text: string): ErrorFacts {
  const { code, data } = (JSON.parse(text) ?? {}) as { readonly code?: unknown; readonly data?: unknown } // any value may be asked for a member
  const supported = revisionsOf((data as { readonly supported?: unknown } | null | undefined)?.supported)
  return { code, ...(supported.length > 0 ? { supported } : {}) }
}

/** @returns the texts of a list of revisions, at most so many and so long that they can be shown and kept */
export function revisionsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return []
  return value.filter((revision): revision is string => typeof revision === "string" && /^[\w.-]{1,40}$/.test(revision)).slice(0, 20)
}

/** @returns the revisions in the result of `server/discover` */
export function discoveredRevisions(answer: Frame): readonly string[] {
  const result = memberText(answer.bytes.toString("utf8"), "result")
  const parsed = JSON.parse(result ?? "null") as { readonly supportedVersions?: unknown } | null // any value may be asked for a member
  return revisionsOf(parsed?.supportedVersions)
}

/**
 * Reads the era out of a refusal.
 *
 * @param request - what was refused: a modern request, or `initialize`
 * @returns undefined where it says nothing: proof of identity, overload and faults come before any question of eras (S22), and what is
 *   wrong with the parameters may be so in either
 */
export function eraEvidence(refusal: Refusal, request: Frame): Era | undefined {
  const { status } = refusal
  if (status < 400 || status >= 500 || [401, 403, 408, 429].includes(status)) return undefined
  const error = errorFacts(refusal, request)
  if (MODERN_CODES.has(error?.code) || error?.supported) return "modern"
  if (status === 404 && error?.code === METHOD_NOT_FOUND) return "modern"
  if (error?.code !== INVALID_PARAMS || request.method === "server/discover") return "legacy"
  return request.method === "initialize" ? "modern" : undefined // what it misses may be `_meta` (S6)
}

/**
 * Reads the era out of an answer that came with success.
 *
 * @returns undefined where it says nothing: a legacy server may answer what both eras know, and a fault is one in either
 */
export function answerEvidence(answer: Frame, request: Frame): Era | undefined {
  const text = answer.bytes.toString("utf8")
  const error = memberText(text, "error")
  if (error !== undefined) {
    const { code } = readError(error)
    if (MODERN_CODES.has(code)) return "modern"
    // All modern servers know `server/discover`, and tell an unknown method with 404.
    return code === METHOD_NOT_FOUND && request.method === "server/discover" ? "legacy" : undefined
  }
  const result = JSON.parse(memberText(text, "result") ?? "null") as { readonly resultType?: unknown } | null // any value may be asked for a member
  return typeof result?.resultType === "string" || discoveredRevisions(answer).length > 0 ? "modern" : undefined
}
