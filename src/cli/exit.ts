/** How a failure leaves the process: the one place where errors become text and exit codes. */
import { type Diagnosis, type DiagnosisKind, PosternError } from "../core/diagnosis.ts"
import { inOneLine } from "../core/redact.ts"

/** 0 done, 1 failed, 2 wrong usage, 3 sign-in needed, 4 refused by a guard. */
export const EXIT_CODES = { failed: 1, usage: 2, "sign-in": 3, guard: 4 } as const satisfies Record<DiagnosisKind, number>

/** A diagnosis as several lines of text. */
export function tellDiagnosis({ cause, evidence, next }: Diagnosis): string {
  const lines = [`postern: ${cause}`, ...evidence.map((seen) => `  - ${seen}`), ...(next === undefined ? [] : [`  next: ${next}`])]
  return lines.map(inOneLine).join("\n")
}

/** A diagnosis as `--json` prints it. */
export function errorObject({ code, cause, evidence, next }: Diagnosis): { readonly error: Omit<Diagnosis, "kind"> } {
  return { error: { code, cause, evidence, ...(next === undefined ? {} : { next }) } }
}

/** A fault that nobody declared: told as a fault of Postern, with its stack where one asks for it. */
export function tellFault(error: unknown, debug: boolean): string {
  const text = error instanceof Error ? ((debug ? error.stack : undefined) ?? `${error.name}: ${error.message}`) : String(error)
  return `postern: a fault of Postern itself: ${text}${debug ? "" : "\n  next: run it again with POSTERN_DEBUG=1 and report what it prints"}`
}

/** @returns the exit code of whatever was thrown */
export function exitCodeOf(error: unknown): number {
  return error instanceof PosternError ? EXIT_CODES[error.diagnosis.kind] : EXIT_CODES.failed
}
