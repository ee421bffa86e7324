/** The lines that `core/log.ts` writes, read again and told to a person. */
import { isObject, parseJson } from "../core/json.ts"
import { escapeControls, quote } from "../core/redact.ts"

/** One event of a log. */
export interface LogEvent {
  /** As it is written: a date in ISO 8601. */
  readonly time: string
  readonly level: string
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** @returns the event, or undefined if the line is none: of another program, or cut off */
export function readLogLine(line: string): LogEvent | undefined {
  const parsed = parseJson(line)
  if (!isObject(parsed)) return undefined
  const { time, level, event, ...fields } = parsed
  if (typeof time !== "string" || typeof level !== "string" || typeof event !== "string") return undefined
  return { time, level, event, fields }
}

/** One line for a person: when, how grave, what, and the facts. Nothing in it acts on a terminal or begins another line. */
export function tellLogEvent({ time, level, event, fields }: LogEvent): string {
  const facts = Object.entries(fields).map(([key, value]) => `${quote(key, 80)}=${tellValue(value)}`)
  return [quote(time, 40), quote(level, 20).padEnd(5), quote(event), ...facts].join("  ")
}

function tellValue(value: unknown): string {
  const text = typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
  return escapeControls(text)
}
