/**
 * What Postern adds to what a server says of itself, where a person can sign in: the prompt `auth`, the tool `authenticate` while the
 * door is locked, and the promise to tell when lists change (S75, S76). Only that is added: the rest of each text stays as it came.
 */
import { type Frame, readFrames } from "../frame.ts"
import { elements, memberPiece, memberText, members, replacePiece } from "../json-text.ts"

/** What a server may have lists of. */
export type Kind = "tools" | "prompts" | "resources"

/** The member of its result that a list stands in, by method. */
export const LIST_MEMBERS: ReadonlyMap<string, string> = new Map([
  ["tools/list", "tools"],
  ["prompts/list", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resourceTemplates"],
])

export const PROMPT_NAME = "auth"
export const TOOL_NAME = "authenticate"

/** What a list holds. */
export interface Element {
  readonly name: string
  readonly [member: string]: unknown
}

/** @param server - its name */
export function authPrompt(server: string): Element {
  return { name: PROMPT_NAME, title: `Sign in to ${server}`, description: `Sign in to ${server}, or see who is signed in` }
}

/** @param server - its name */
export function authenticateTool(server: string): Element {
  return {
    name: TOOL_NAME,
    title: `Sign in to ${server}`,
    description: `Sign in to ${server}: its tools are there after that. Asks the person, and says who is signed in.`,
    inputSchema: { type: "object", properties: {} },
  }
}

/** An answer with its result changed; an error, and anything that is no object, stays as it is. */
export function editResult(answer: Frame, edit: (result: string) => string): Frame {
  const text = answer.bytes.toString("utf8")
  const result = memberPiece(text, "result")
  if (!result?.value.startsWith("{")) return answer
  const [frame] = readFrames(Buffer.from(replacePiece(text, result, edit(result.value))))
  return frame ?? answer // one object is one frame
}

/** The result of a list with one element more, at its end. */
export function withElement(result: string, member: string, element: Element): string {
  const list = memberPiece(result, member)
  if (!list?.value.startsWith("[")) return result
  const inner = list.value.slice(1, -1).trimEnd()
  return replacePiece(result, list, `[${inner}${inner.trim() === "" ? "" : ","}${JSON.stringify(element)}]`)
}

/** Whether a list names something so. */
export function hasElement(result: string, member: string, name: string): boolean {
  const list = memberText(result, member)
  if (!list?.startsWith("[")) return false
  return [...elements(list)].some(({ value }) => value.startsWith("{") && memberText(value, "name") === JSON.stringify(name))
}

/** The kinds of lists in the capabilities of an opening's result; with `listChanged` only those whose changes are told. */
export function kindsIn(result: string): { readonly all: readonly Kind[]; readonly told: readonly Kind[] } {
  const { capabilities } = JSON.parse(result) as {
    readonly capabilities?: Partial<Record<Kind, { readonly listChanged?: unknown } | null>> | null
  } // a server's own: each member is asked for with care
  const all = (["tools", "prompts", "resources"] as const).filter((kind) => capabilities?.[kind])
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
