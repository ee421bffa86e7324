/** How a client is told of a diagnosis: a JSON-RPC error under the id of its request. */
import { type Diagnosis, PosternError, defineDiagnosis } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"

/**
 * The numeric code of every error that Postern itself answers. It lies outside -32768..-32000, so that it cannot be taken for the
 * server's (S14); which diagnosis it is stands in `error.data.code`.
 */
const POSTERN_ERROR = 1000

/** Whatever was thrown and is none of the declared failures: a bug of ours, told as one. */
export const internalFault = defineDiagnosis({
  code: "internal-fault",
  about: "A fault of Postern itself: something was thrown that no one expected. The bridge goes on with the next message.",
  tell: ({ error }: { error: unknown }) => ({
    cause: "Postern met a fault of its own; this request was given up.",
    evidence: [quote(error instanceof Error ? `${error.name}: ${error.message}` : String(error))],
    next: "report it with the steps that led to it",
  }),
})

/** @returns the diagnosis of whatever was thrown */
export function diagnosisOf(error: unknown): Diagnosis {
  return error instanceof PosternError ? error.diagnosis : internalFault({ error })
}

/** A diagnosis in one line of text, as a person reads it in a client. */
export function tellInOneLine(diagnosis: Diagnosis): string {
  const evidence = diagnosis.evidence.length > 0 ? ` (${diagnosis.evidence.join("; ")})` : ""
  return `${diagnosis.cause.replace(/\.$/, "")}${evidence}.${diagnosis.next ? ` Next: ${diagnosis.next}` : ""}`
}

/**
 * Makes the answer.
 *
 * @param id - the id as JSON text (`Frame.id`)
 * @param diagnosis - cleaned (`cleanDiagnosis`)
 * @returns one line of JSON
 */
export function errorAnswer(id: string, diagnosis: Diagnosis): Buffer {
  const { code, cause, evidence, next, kind } = diagnosis
  const error = { code: POSTERN_ERROR, message: tellInOneLine(diagnosis), data: { code, cause, evidence, next, kind } }
  return Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(error)}}`)
}
