/**
 * Cookies for sessions behind load balancers: a wrapper around the HTTP layer that keeps what one origin sets, for that origin and for
 * one identity only.
 */
import type { Clock } from "./clock.ts"
import type { CookieJar } from "./cookie-jar.ts"
import type { Answer, Http, OutgoingRequest } from "./http.ts"

/**
 * Wraps a layer so that the cookies of one origin go back to it, in memory and for as long as the layer lives, or until another
 * identity asks: a session that the former one opened may be in them. Until the first `Set-Cookie` nothing is loaded, and a request
 * costs nothing more.
 *
 * @param home - the configured server. A request to another origin, and an answer of one, pass as they are
 * @param learnSecret - hears each value that is kept: whoever has it is in the session
 */
export function withCookies(http: Http, home: URL, clock: Clock, learnSecret?: (value: string) => void): Http {
  let kept: { readonly identity: OutgoingRequest["identity"]; readonly jar: CookieJar } | undefined

  const learn = async (answer: Answer, { url, identity }: OutgoingRequest): Promise<Answer> => {
    const lines = answer.headers["set-cookie"]
    if (lines === undefined || url.origin !== home.origin) return answer
    const { createCookieJar } = await import("./cookie-jar.ts")
    if (kept === undefined || kept.identity !== identity) kept = { identity, jar: createCookieJar(clock.now) }
    kept.jar.learn(lines, url)
    for (const line of lines) learnSecret?.(line.slice(line.indexOf("=") + 1).split(";", 1)[0] ?? "")
    return answer
  }

  const withOurs = (request: OutgoingRequest): OutgoingRequest => {
    if (request.url.origin !== home.origin) return request
    if (kept?.identity !== request.identity) kept = undefined
    const cookie = kept?.jar.headerFor(request.url, request.headers["cookie"])
    return cookie === undefined ? request : { ...request, headers: { ...request.headers, cookie } }
  }

  return {
    ...http,
    send: (request, signal) =>
      http
        .send(kept ? withOurs(request) : request, signal)
        .then((answer) => (answer.headers["set-cookie"] === undefined ? answer : learn(answer, request))),
  }
}
