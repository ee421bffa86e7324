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
      const cleaned = Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? redactor.clean(value) : value])
      write(`${JSON.stringify({ time: new Date(clock.now()).toISOString(), level, event, ...Object.fromEntries(cleaned) })}\n`)
    }
  return { error: at("error"), info: at("info"), debug: at("debug") }
}
