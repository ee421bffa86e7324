/**
 * What Postern adds to the lists of a server, where a person can sign in: the prompt `auth`, and the tool `authenticate` while the door
 * is locked (S75, S76). Only that is added: the rest of each text stays as it came.
 */
import { elements, memberPiece, memberText, replacePiece } from "../json-text.ts"

/** The member of its result that a list stands in, by method. */
export const LIST_MEMBERS: ReadonlyMap<string, string> = new Map([
  ["tools/list", "tools"],
  ["prompts/list", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resourceTemplates"],
])

/** The prompt that signs in, or says who is signed in; one of the server's own by this name goes before it. */
export const PROMPT_NAME = "auth"
/** The tool that signs in; one of the server's own by this name goes before it. */
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
