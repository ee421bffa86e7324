/** One line is one event with fields. Silent unless somebody asked for it. */
import type { Clock } from "./clock.ts"
import type { Redactor } from "./redact.ts"

/** Facts of an event: never a secret, never a payload. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Where events go; silent unless somebody asked for it. */
export interface Log {
  /** A person must act. */
  error(event: string, fields?: LogFields): void
  /** Who, what, how long. */
  info(event: string, fields?: LogFields): void
  debug(event: string, fields?: LogFields): void
}

/** The longest text of a field, in characters: an id or a method may be as long as a message, and is the other side's. */
const LONGEST_FIELD = 1_000

/** Says nothing. */
export const silentLog: Log = { error: () => undefined, info: () => undefined, debug: () => undefined }

/**
 * Writes JSON lines.
 *
 * @param write - gets each line, its line feed included; every text has passed the redactor here, at the one place that writes
 */
export function jsonLog(write: (line: string) => void, { clock, redactor }: { clock: Clock; redactor: Redactor }): Log {
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      const cleaned = Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? redactor.clean(cut(value)) : value])
      write(`${JSON.stringify({ time: new Date(clock.now()).toISOString(), level, event, ...Object.fromEntries(cleaned) })}\n`)
    }
  return { error: at("error"), info: at("info"), debug: at("debug") }
}

/** The redactor knows the mark: it takes out what is left of a secret beside it. */
const cut = (text: string): string => (text.length > LONGEST_FIELD ? `${text.slice(0, LONGEST_FIELD)}…` : text)
