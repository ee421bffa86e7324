/**
 * What a client is told of a server at its opening, where a person can sign in: that there are prompts, and that it will hear of changes
 * (S75, S76). Small, since the start of such a bridge loads it; what keeps these promises is loaded later.
 */
import { type Frame, readFrame } from "../frame.ts"
import { memberPiece, members, replacePiece } from "../json-text.ts"
import { KINDS, type Kind } from "../memory.ts"

/** An answer with its result changed; an error, and anything that is no object, stays as it is. */
export function editResult(answer: Frame, edit: (result: string) => string): Frame {
  const text = answer.bytes.toString("utf8")
  const result = memberPiece(text, "result")
  if (!result?.value.startsWith("{")) return answer
  return readFrame(replacePiece(text, result, edit(result.value)))
}

/** The kinds of lists in the capabilities of an opening's result; with `listChanged` only those whose changes are told. */
export function kindsIn(result: string): { readonly all: readonly Kind[]; readonly told: readonly Kind[] } {
  const { capabilities } = JSON.parse(result) as {
    readonly capabilities?: Partial<Record<Kind, { readonly listChanged?: unknown } | null>> | null
  } // a server's own: each member is asked for with care
  const all = KINDS.filter((kind) => capabilities?.[kind])
  return { all, told: all.filter((kind) => capabilities?.[kind]?.listChanged === true) }
}

/** The result of an opening that promises to tell of changes, and has prompts: there is at least ours. */
export function withCapabilities(result: string): string {
  const piece = memberPiece(result, "capabilities")
  if (!piece?.value.startsWith("{")) return result
  const parts = new Map([...members(piece.value)].map(({ name, value }) => [name, value]))
  const { all } = kindsIn(result)
  for (const kind of new Set<Kind>([...all, "prompts"])) {
    const given = JSON.parse(parts.get(kind) ?? "{}") as object | null // a capability is an object, or nothing of use
    parts.set(kind, JSON.stringify({ ...given, listChanged: true }))
  }
  return replacePiece(result, piece, `{${[...parts].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`)
}
