/** Cookies for sessions behind load balancers: a wrapper around the HTTP layer that keeps what one origin sets, for that origin only. */
import type { Clock } from "./clock.ts"
import type { CookieJar } from "./cookie-jar.ts"
import type { Answer, Http, OutgoingRequest } from "./http.ts"

/**
 * Wraps a layer so that the cookies of one origin go back to it, in memory and for as long as the layer lives. Until the first
 * `Set-Cookie` nothing is loaded, and a request costs nothing more.
 *
 * @param home - the configured server. A request to another origin, and an answer of one, pass as they are
 */
export function withCookies(http: Http, home: URL, clock: Clock): Http {
  let jar: CookieJar | undefined

  const learn = async (answer: Answer, url: URL): Promise<Answer> => {
    const lines = answer.headers["set-cookie"]
    if (lines === undefined || url.origin !== home.origin) return answer
    const { createCookieJar } = await import("./cookie-jar.ts")
    jar ??= createCookieJar(clock.now)
    jar.learn(lines, url)
    return answer
  }

  const withOurs = (request: OutgoingRequest): OutgoingRequest => {
    const cookie = request.url.origin === home.origin ? jar?.headerFor(request.url, request.headers["cookie"]) : undefined
    return cookie === undefined ? request : { ...request, headers: { ...request.headers, cookie } }
  }

  return {
    ...http,
    async send(request, signal) {
      const answer = await http.send(jar ? withOurs(request) : request, signal)
      return answer.headers["set-cookie"] === undefined ? answer : learn(answer, request.url)
    },
  }
}
