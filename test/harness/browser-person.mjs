#!/usr/bin/env node
/**
 * `browser-person.mjs URL`: a program for `BROWSER` that plays the browser and the person before it. It follows redirects, keeps cookies,
 * fills in forms and presses a button, until a page has no form. What it met is appended to a file as one line of JSON; that it
 * was started, and with which address, to the same name with `.opened`.
 *
 * It is told what to do by a file beside it, `person.json`: `{"decision": "allow" | "deny" | "nothing", "login": NAME, "log": FILE}`.
 * (The environment of a browser is Postern's to decide, so nothing is handed over in variables.)
 */
import { appendFileSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

const MOST_PAGES = 20
const { decision, login, log } = JSON.parse(readFileSync(join(dirname(process.argv[1]), "person.json"), "utf8"))
const opened = process.argv[2]
appendFileSync(`${log}.opened`, `${opened}\n`)
const visited = []
const jars = new Map()

/** One request with the cookies of its origin. */
async function visit(url, form) {
  const jar = jars.get(url.origin) ?? jars.set(url.origin, new Map()).get(url.origin)
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ")
  visited.push(url.href)
  const response = await fetch(url, {
    redirect: "manual",
    headers: { accept: "text/html", ...(cookie ? { cookie } : {}) },
    ...(form ? { method: "POST", body: new URLSearchParams(form) } : {}),
  })
  for (const line of response.headers.getSetCookie()) {
    const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? []
    if (name !== undefined) jar.set(name, value)
  }
  return response
}

/** The first form of a page as a person leaves it: their name in each visible field that is empty, one button pressed. */
function fillIn(html, at) {
  const form = /<form[^>]*>([\s\S]*?)<\/form>/.exec(html)
  if (!form) return undefined
  const attribute = (tag, name) =>
    new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&amp;", "&")
  const fields = [...form[1].matchAll(/<input[^>]*>/g)].map(([tag]) => [attribute(tag, "name"), attribute(tag, "value") || login])
  const buttons = [...form[1].matchAll(/<button[^>]*>/g)].map(([tag]) => [attribute(tag, "name"), attribute(tag, "value")])
  const button = buttons.find(([, value]) => value === decision) ?? buttons[0]
  const entries = [...fields, ...(button ? [button] : [])].filter(([name]) => name !== undefined)
  return { url: new URL(attribute(form[0], "action") ?? "", at), entries }
}

async function walk() {
  let url = new URL(opened)
  let response = await visit(url)
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const location = response.headers.get("location")
    if (location !== null) {
      url = new URL(location, url)
      response = await visit(url)
      continue
    }
    const body = await response.text()
    const filled = fillIn(body, url)
    if (!filled) return { status: response.status, headers: Object.fromEntries(response.headers), body }
    url = filled.url
    response = await visit(url, filled.entries)
  }
  throw new Error(`more than ${MOST_PAGES} pages`)
}

const outcome =
  decision === "nothing"
    ? {}
    : await walk().then(
        (page) => ({ page }),
        (error) => ({ failed: String(error.cause ?? error) }),
      )
appendFileSync(log, `${JSON.stringify({ opened, visited, ...outcome })}\n`)
