/** What a call is answered with when a person is needed and it cannot wait: a question in its result, or how to sign in. */
import type { SignInLink } from "../../auth/interaction.ts"
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import { tellInOneLine } from "../error-answer.ts"
import { type Frame, readFrame } from "../frame.ts"
import { QUESTION } from "./request-state.ts"

/** Of revision 2026-07-28: the methods whose result may ask for something (S69). */
const MAY_ASK = new Set(["tools/call", "prompts/get", "resources/read"])

/** @returns whether the result of this request may hold a question */
export const mayAsk = ({ method }: Frame): boolean => MAY_ASK.has(method)

/** @param question - the parameters of `elicitation/create` */
export function inputRequired(request: Frame, question: object, requestState: string): Frame {
  const inputRequests = { [QUESTION]: { method: "elicitation/create", params: question } }
  return resultFrame(request, { resultType: "input_required", inputRequests, requestState })
}

/** The question that gives a person a link. */
export function linkQuestion({ url, message, code }: SignInLink): object {
  return { mode: "url", url: url.href, message: code === undefined ? message : `${message}. The page asks for this code: ${code}` }
}

/**
 * Says how to sign in: for a tool in a result marked as error, which the model reads; for the rest in a JSON-RPC error, since only
 * tools have such results (S73).
 *
 * @param settings - `link`: where there is one, already passed by the gate for addresses; `clean`: the redactor's exit for text, which
 *   the link does not pass, since one with a gap leads nowhere
 * @throws {PosternError} for the rest
 */
export function tellHow(
  request: Frame,
  diagnosis: Diagnosis,
  { link, clean }: { readonly link?: SignInLink; readonly clean: (text: string) => string },
): Frame {
  const open = link && `open ${link.url.href} in a browser${link.code === undefined ? "" : ` and type ${link.code} there`}`
  if (request.method !== "tools/call") {
    throw new PosternError(open === undefined ? diagnosis : { ...diagnosis, evidence: [...diagnosis.evidence, `to sign in, ${open}`] })
  }
  const what = clean(tellInOneLine(diagnosis))
  const text = open === undefined ? what : `${what}\nTo sign in, ${open}, then call the tool again.`
  return resultFrame(request, { resultType: "complete", content: [{ type: "text", text }], isError: true })
}

/** The answer to a request, with a result of our own making. */
export function resultFrame(request: Pick<Frame, "id">, result: object): Frame {
  return readFrame(`{"jsonrpc":"2.0","id":${request.id},"result":${JSON.stringify(result)}}`)
}
