/**
 * The query protocol of STS and IAM: a signed form goes out, flat XML comes back. Asked with requests of our own, over the same HTTP
 * layer as the server's, so that no client of the SDK has to be loaded for a handful of calls.
 */
import { limited } from "../../core/abort.ts"
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import type { Answer, Http } from "../../core/http.ts"
import type { Environment } from "../../core/places.ts"
import { readAwsError } from "./aws-error.ts"
import { awsCallFailed } from "./diagnoses.ts"
import type { ServerTime } from "./server-time.ts"
import { type AwsKeys, createSigner } from "./sign.ts"

/** A service that speaks it. */
export interface QueryService {
  readonly url: URL
  /** As signatures name it. */
  readonly service: "sts" | "iam"
  readonly region: string
  /** Of its interface, a date. */
  readonly version: string
}

/** What a call takes. `time` learns from refusals, so that one with a wrong clock is made a second time. */
export interface QueryTools {
  readonly http: Http
  readonly env: Environment
  readonly time: ServerTime
}

/** A refusal of such a service; what to do about it depends on its code. */
export class AwsCallError extends PosternError {
  /** For example `AccessDenied`, `NoSuchEntity`; empty if it said none. */
  readonly code: string
  readonly said: string

  constructor(diagnosis: Diagnosis, code: string, said: string) {
    super(diagnosis)
    this.code = code
    this.said = said
  }

  get isDenied(): boolean {
    return this.code === "AccessDenied" || this.code === "AccessDeniedException"
  }
}

/** A policy is at most a few kilobytes. */
const MOST_ANSWER_BYTES = 256 * 1024
const LIMIT_MS = 10_000

/**
 * Makes one call.
 *
 * @param parameters - `Action` among them; `Version` is added
 * @param keys - undefined for the calls whose proof is a token in the parameters
 * @returns the body, XML
 * @throws {AwsCallError} `aws-call-failed` if the service refuses; what the connection throws
 */
export async function askQuery(
  { url, service, region, version }: QueryService,
  parameters: Readonly<Record<string, string>>,
  keys: AwsKeys | undefined,
  { tools: { http, time }, signal }: { readonly tools: QueryTools; readonly signal: AbortSignal },
): Promise<string> {
  const body = Buffer.from(new URLSearchParams({ ...parameters, Version: version }).toString())
  const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8", accept: "text/xml" }
  const request = { method: "POST", url, headers, body } as const
  const sign = createSigner({ service, region, payload: "signed" })
  const limit = limited(signal, LIMIT_MS)
  const ask = (nowMs: number): Promise<Answer> => http.send(keys === undefined ? request : sign(request, keys, nowMs), limit)
  const signedAtMs = time.now()
  let answer = await ask(signedAtMs)
  if (answer.status !== 200 && time.learn(answer.headers.date, signedAtMs)) {
    answer.discard()
    answer = await ask(time.now())
  }
  const text = await answer.read(MOST_ANSWER_BYTES)
  if (answer.status === 200) return text.toString("utf8")
  const { type = "", message = "" } = readAwsError({ ...answer, body: text })
  const diagnosis = awsCallFailed({ action: parameters["Action"] ?? "", status: answer.status, code: type, message })
  throw new AwsCallError(diagnosis, type, message)
}
