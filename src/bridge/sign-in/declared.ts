/** How a client says that its person can be asked (S66). Nobody is asked in a way that was not declared. */
import type { Frame } from "../frame.ts"

/** What one client can do, or, if it is modern, what it can do for one request. */
export interface Declared {
  /** Legacy clients are asked by a request; modern ones by the result of their own, and say with each what they can do. */
  readonly era: "legacy" | "modern"
  /** The person can be given a link. */
  readonly url: boolean
  /** The person can be asked to agree. */
  readonly form: boolean
}

interface Capabilities {
  readonly elicitation?: { readonly url?: unknown; readonly form?: unknown } | null
}

interface Params {
  readonly capabilities?: Capabilities | null
  readonly _meta?: {
    readonly "io.modelcontextprotocol/clientCapabilities"?: Capabilities | null
    readonly progressToken?: unknown
  } | null
}

/** @returns what `initialize` declares for all that follows; without an `initialize`, nothing */
export function declaredAtOpening(initialize: Frame | undefined): Declared {
  return declaredIn(initialize && paramsOf(initialize)?.capabilities, "legacy")
}

/** @returns what a request of revision 2026-07-28 or later declares for itself, or undefined if it is none */
export function declaredBy(request: Frame): Declared | undefined {
  if (request.revision === "") return undefined
  return declaredIn(metaOf(request)?.["io.modelcontextprotocol/clientCapabilities"], "modern")
}

/** @returns the token under which the client wants to hear of progress, or undefined */
export function progressToken(request: Frame): string | number | undefined {
  const token = metaOf(request)?.progressToken
  return typeof token === "string" || typeof token === "number" ? token : undefined
}

function declaredIn(capabilities: Capabilities | null | undefined, era: Declared["era"]): Declared {
  const elicitation = capabilities?.elicitation
  if (typeof elicitation !== "object" || elicitation === null) return { era, url: false, form: false }
  const url = elicitation.url !== undefined
  // An empty object is what revision 2025-06-18 had: forms, since there was nothing else.
  return { era, url, form: elicitation.form !== undefined || !url }
}

function paramsOf(request: Frame): Params | undefined {
  const { params } = JSON.parse(request.bytes.toString("utf8")) as { readonly params?: Params | null } // a frame is an object; any member may be missing
  return params ?? undefined
}

function metaOf(request: Frame): Params["_meta"] {
  const { _meta: meta } = paramsOf(request) ?? {}
  return meta
}
