/** Why something failed, in a shape that a person, a script and a client can all use. */

/** What a failure asks of the caller; the command line maps it to its exit code in one place. */
export type DiagnosisKind = "failed" | "usage" | "sign-in" | "guard"

/** Why something failed. `code` is public: once released it is never renamed and never given another meaning. */
export interface Diagnosis {
  readonly code: string
  /** One sentence; no secret, no stack. */
  readonly cause: string
  /** What was seen, already redacted. */
  readonly evidence: readonly string[]
  /** The one command, or step, that mends it. */
  readonly next?: string
  readonly kind: DiagnosisKind
}

/** A failure that a person can act on. Whatever else is thrown is a bug of ours, and is shown as one. */
export class PosternError extends Error {
  override readonly name = "PosternError"
  readonly diagnosis: Diagnosis

  constructor(diagnosis: Diagnosis, options?: ErrorOptions) {
    super(diagnosis.cause, options)
    this.diagnosis = diagnosis
  }
}

/** Whether something that was thrown is a failure, with one of these diagnoses. */
export function failedWith(error: unknown, ...definitions: readonly { readonly code: string }[]): error is PosternError {
  return error instanceof PosternError && definitions.some(({ code }) => code === error.diagnosis.code)
}

/**
 * Waits for something whose failure ends nothing here.
 *
 * @returns how it failed, or undefined if it did not
 * @throws whatever is no failure that somebody declared: a fault of ours
 */
export async function failureOf(trying: Promise<unknown>): Promise<PosternError | undefined> {
  try {
    await trying
    return undefined
  } catch (error) {
    if (error instanceof PosternError) return error
    throw error
  }
}

/** A diagnosis before anything was seen: its code, what it is about (for the docs page), and how it is told. */
export interface DiagnosisDefinition<Seen> {
  (seen: Seen): Diagnosis
  readonly code: string
  readonly about: string
  readonly kind: DiagnosisKind
}

/**
 * Declares one diagnosis. Each floor declares its own beside the code that raises it; the docs page of a code is made from it.
 *
 * @param definition - `code` in kebab-case, `about` for the docs page, `kind` (default `failed`), and `tell`, which turns what was
 *   seen into cause, evidence and next step
 * @returns a function from what was seen to a `Diagnosis`, carrying `code`, `about` and `kind`
 */
export function defineDiagnosis<Seen>(definition: {
  readonly code: string
  readonly about: string
  readonly kind?: DiagnosisKind
  readonly tell: (seen: Seen) => { readonly cause: string; readonly evidence: readonly string[]; readonly next?: string }
}): DiagnosisDefinition<Seen> {
  const { code, about, kind = "failed", tell } = definition
  return Object.assign((seen: Seen): Diagnosis => ({ code, kind, ...tell(seen) }), { code, about, kind })
}
