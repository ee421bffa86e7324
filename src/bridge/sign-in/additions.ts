/**
 * What Postern adds to the lists of a server, where a person can sign in: the prompt `auth`, and the tool `authenticate` while the door
 * is locked (S75, S76). Only that is added: the rest of each text stays as it came.
 */
import type { Frame } from "../frame.ts"
import { elements, memberPiece, memberText, replacePiece } from "../json-text.ts"
import { isFirstPage } from "../memory.ts"
import { resultFrame } from "./answers.ts"

/** The member of its result that a list stands in, by method. */
export const LIST_MEMBERS: ReadonlyMap<string, string> = new Map([
  ["tools/list", "tools"],
  ["prompts/list", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resourceTemplates"],
])

/** The prompt that signs in, or says who is signed in. */
const PROMPT_NAME = "auth"
/** The tool that signs in. */
const TOOL_NAME = "authenticate"

/** What is added for one client. A name that the server has itself is left to it. */
export interface Additions {
  /** The result of a list with what is ours at its end, and with the tool only while the door is locked. */
  addTo(result: string, request: Frame, isLocked: boolean): string
  /** Whether a request is for what was added, and not for something of the server's own. */
  isFor(request: Frame): boolean
  /** The answer to such a request. @param who - is signed in now, fit to be shown */
  answer(request: Frame, who: string): Frame
}

/**
 * Begins with nothing added.
 *
 * @param server - its name
 * @param withPrompt - whether the prompt is offered
 */
export function additionsFor(server: string, withPrompt: boolean): Additions {
  let isToolOffered = false
  /** Names of ours that the server has itself. */
  const taken = new Set<string>()

  /** Every list is looked at, also one that gets nothing: what it names is the server's own from then on. */
  const withOwn = (result: string, member: string, element: Element, isWanted: boolean): string => {
    if (hasElement(result, member, element.name)) taken.add(element.name)
    return isWanted && !taken.has(element.name) ? withElement(result, member, element) : result
  }

  return {
    addTo(result, request, isLocked) {
      if (request.method === "prompts/list") return withOwn(result, "prompts", authPrompt(server), withPrompt && isFirstPage(request))
      if (request.method !== "tools/list") return result
      isToolOffered ||= isLocked
      return withOwn(result, "tools", authenticateTool(server), isLocked)
    },

    isFor(request) {
      const isOffered = (name: string): boolean => !taken.has(name) && nameIn(request) === name
      if (request.method === "tools/call") return isToolOffered && isOffered(TOOL_NAME)
      return request.method === "prompts/get" && withPrompt && isOffered(PROMPT_NAME)
    },

    answer: (request, who) => resultFrame(request, request.method === "tools/call" ? toolResult(server, who) : promptResult(server, who)),
  }
}

/** What a list holds. */
interface Element {
  readonly name: string
  readonly [member: string]: unknown
}

function authPrompt(server: string): Element {
  return { name: PROMPT_NAME, title: `Sign in to ${server}`, description: `Sign in to ${server}, or see who is signed in` }
}

function authenticateTool(server: string): Element {
  return {
    name: TOOL_NAME,
    title: `Sign in to ${server}`,
    description: `Sign in to ${server}: its tools are there after that. Asks the person, and says who is signed in.`,
    inputSchema: { type: "object", properties: {} },
  }
}

/** The result of a list with one element more, at its end. */
function withElement(result: string, member: string, element: Element): string {
  const list = memberPiece(result, member)
  if (!list?.value.startsWith("[")) return result
  const inner = list.value.slice(1, -1).trimEnd()
  return replacePiece(result, list, `[${inner}${inner.trim() === "" ? "" : ","}${JSON.stringify(element)}]`)
}

/** Whether a list names something so. */
function hasElement(result: string, member: string, name: string): boolean {
  const list = memberText(result, member)
  if (!list?.startsWith("[")) return false
  return [...elements(list)].some(({ value }) => value.startsWith("{") && memberText(value, "name") === JSON.stringify(name))
}

function nameIn(request: Frame): unknown {
  const params = memberText(request.bytes.toString("utf8"), "params")
  return params?.startsWith("{") ? JSON.parse(memberText(params, "name") ?? "null") : undefined
}

function toolResult(server: string, who: string): object {
  return { resultType: "complete", content: [{ type: "text", text: `Signed in to ${server} as ${who}. Its tools can be used now.` }] }
}

/** What the person would say to the model. */
function promptResult(server: string, who: string): object {
  const text = `I am signed in to ${server} as ${who}. Its tools can be used now.`
  return { resultType: "complete", description: `Signed in to ${server}`, messages: [{ role: "user", content: { type: "text", text } }] }
}
