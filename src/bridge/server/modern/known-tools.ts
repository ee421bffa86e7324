/** What is known of a server's tools, from the lists that pass: which parameters are mirrored, and which tools are left out. */
import type { Log } from "../../../core/log.ts"
import { quote } from "../../../core/redact.ts"
import type { Frame } from "../../frame.ts"
import { elements, memberPiece } from "../../json-text.ts"
import { type Mirror, readMirrors } from "./mirrors.ts"

/** Of how many tools it is remembered what is mirrored. */
const MOST_TOOLS = 10_000

/** The memory of one bridge; at 10,000 tools it takes no new ones, whose calls then go without mirrored headers. */
export interface KnownTools {
  /** @returns undefined where no list named the tool */
  mirrorsOf(tool: string): readonly Mirror[] | undefined
  /**
   * Learns from the answer to `tools/list`.
   *
   * @returns the answer; where its annotations make a tool invalid, that element is cut, and the rest stays as it was written (S12)
   */
  learn(answer: Frame): Frame
  /** The list has changed. */
  forget(): void
}

interface Tool {
  readonly name?: unknown
  readonly inputSchema?: unknown
}

/** Makes an empty one. */
export function knownTools(log: Log): KnownTools {
  const known = new Map<string, readonly Mirror[]>()

  /** @returns whether the tool may be offered */
  const take = (tool: Tool | null): boolean => {
    if (typeof tool?.name !== "string") return true // not ours to judge
    const reading = readMirrors(tool.inputSchema)
    const room = known.size < MOST_TOOLS || known.has(tool.name)
    if ("problem" in reading) {
      if (room) known.set(tool.name, []) // whoever calls it all the same shall not make us ask for the list each time
      log.error("tool left out of the list", { tool: quote(tool.name, 120), why: quote(reading.problem, 300) })
      return false
    }
    if (room) known.set(tool.name, reading.mirrors)
    return true
  }

  return {
    mirrorsOf: (tool) => known.get(tool),
    forget: () => known.clear(),
    learn(answer) {
      const { result } = JSON.parse(answer.bytes.toString("utf8")) as { readonly result?: { readonly tools?: unknown } | null } // a frame is an object
      if (!Array.isArray(result?.tools)) return answer
      const offered = (result.tools as readonly (Tool | null)[]).map(take)
      return offered.includes(false) ? withoutTools(answer, offered) : answer
    },
  }
}

/** Keeps the tools that are offered, each as it was written. The answer holds a list of tools: it was read before. */
function withoutTools(answer: Frame, offered: readonly boolean[]): Frame {
  const text = answer.bytes.toString("utf8")
  const result = memberPiece(text, "result")
  const tools = memberPiece(text, "tools", result?.start)
  if (!tools) return answer
  const kept = Array.from(elements(text, tools.start), ({ value }) => value).filter((_, index) => offered[index])
  const end = tools.start + tools.value.length
  return { ...answer, bytes: Buffer.from(`${text.slice(0, tools.start)}[${kept.join(",")}]${text.slice(end)}`) }
}
