/** Records a session in which a token dies in the middle of a call: an official client, the built program, a strict authorization server. */
import { sdks } from "../../harness/foreign-client.ts"
import { makeSignInScene, textOf } from "../sign-in/scene.ts"

/** What differs from run to run, as the page shows it. */
const SHOWN = { server: "127.0.0.1:45980", issuer: "127.0.0.1:45981", callback: "127.0.0.1:45982" } as const

/** @returns what happened, a line for each step, in the order in which it did */
export async function recordMidSession(): Promise<string> {
  const [v1] = sdks
  if (!v1) throw new Error("there is no SDK")
  const lines: string[] = []
  const say = (who: string, what: string): void => void lines.push(`${who.padEnd(8)} ${what}`)
  await using scene = await makeSignInScene({ pages: true, login: "alice" })
  const { server, browser } = scene
  const isCall = (text: string): boolean => text.includes('"tools/call"')
  let dies = false
  server.handler = ({ body }) => {
    if (dies && isCall(body)) {
      scene.revoke()
      dies = false
      say("server", "gets the call; its token has just been revoked, and the refresh token with it")
    } else if (isCall(body)) say("server", `gets the call${server.visits.length > 0 ? ", with a token that it takes" : ""}`)
    return false
  }
  const elicit = ({ message }: { message: string }): object => {
    say("bridge", `asks in the client: "${message}"`)
    say("person", "says yes")
    return { action: "accept", content: {} }
  }

  say("person", "$ postern auth linear")
  await scene.signIn()
  say("client", "$ postern run linear     (official TypeScript SDK v1; it declares elicitation {}, as Claude Code does)")
  await using client = await scene.connect(v1, { answers: { "elicitation/create": elicit }, traits: { capabilities: { elicitation: {} } } })
  dies = true
  say("client", "calls whoami")
  const answer = await client.call("whoami")
  // The browser writes down where it was when it ends, a moment after the person is in.
  const before = lines.findLastIndex((line) => line.startsWith("server"))
  lines.splice(before, 0, ...(await walkOf(scene)).map((line) => `browser  ${line}`))
  say("client", `gets the answer to that call: ${textOf(answer)}`)
  say("client", "calls echo")
  say("client", `gets the answer: ${textOf(await client.call("echo", { text: "the session lives on" }))}`)

  const hosts = [
    [new URL(server.url).host, SHOWN.server],
    [new URL(server.authorization.issuer).host, SHOWN.issuer],
  ] as const
  const callback = new URL((await browser.walks())[1]?.visited.at(-1) ?? "").host
  return [...hosts, [callback, SHOWN.callback] as const].reduce((text, [inside, shown]) => text.replaceAll(inside, shown), lines.join("\n"))
}

/** Where the browser was, with the names of the parameters only: their values differ from run to run. */
async function walkOf({ browser }: Awaited<ReturnType<typeof makeSignInScene>>): Promise<readonly string[]> {
  const walk = await lastWalk(browser)
  const title = /<h1[^>]*>([^<]*)<\/h1>/.exec(walk.page?.body ?? "")?.[1] ?? "(no page)"
  const pages = walk.visited.map((address) => {
    const url = new URL(address)
    const names = [...url.searchParams.keys()].join(", ")
    return `${url.origin}${url.pathname}${names ? ` (${names})` : ""}`
  })
  return [`is opened at ${pages[0]}`, ...pages.slice(1).map((page) => `goes on to ${page}`), `shows: ${title}`]
}

async function lastWalk(browser: Awaited<ReturnType<typeof makeSignInScene>>["browser"]) {
  for (;;) {
    const [, second] = await browser.walks()
    if (second) return second
    await new Promise((resolve) => setImmediate(resolve))
  }
}
