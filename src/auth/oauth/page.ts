/** The pages that a browser ends at. Static, nothing loaded, every text escaped: what stands in them may come from a server. */
import type { Diagnosis } from "../../core/diagnosis.ts"
import type { LoopbackPage } from "../../core/http-loopback.ts"
import { escapeControls } from "../../core/redact.ts"

/** @param subject - who has signed in, if the server said so */
export function successPage(server: string, subject: string | undefined): LoopbackPage {
  const who = subject === undefined ? "" : ` as ${subject}`
  return page(200, `Signed in to ${server}`, [
    `Postern has signed in to ${server}${who}, and the server has taken the new token.`,
    "You can close this page.",
  ])
}

/** @param diagnosis - why it went wrong, and what mends it */
export function failurePage(server: string, { cause, evidence, next }: Diagnosis): LoopbackPage {
  const lines = [cause, ...evidence, ...(next === undefined ? [] : [`Next: ${next}`])]
  return page(400, `Not signed in to ${server}`, lines)
}

/** For a visit that belongs to no sign-in, or to one that has ended. */
export function strayPage(why: string): LoopbackPage {
  return page(400, "Not a sign-in", [
    `This page is for the way back from a sign-in, and ${why}.`,
    "Nothing was changed. You can close this page.",
  ])
}

function page(status: number, title: string, lines: readonly string[]): LoopbackPage {
  const [first = "", ...others] = lines.map(escapeHtml)
  const good = status === 200
  return {
    status,
    html: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
  :root { color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif }
  body { display: grid; place-items: center; min-height: 90vh; margin: 0; padding: 1rem }
  main { max-width: 36rem; border-left: .3rem solid ${good ? "#2e7d32" : "#c62828"}; padding: .3rem 1.4rem }
  h1 { font-size: 1.4rem; margin: 0 0 .4rem }
  p { margin: .2rem 0; overflow-wrap: anywhere }
  p + p { opacity: .75 }
</style>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${first}</p>
${others.map((line) => `<p>${line}</p>`).join("\n")}
</main>
</html>
`,
  }
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }

function escapeHtml(text: string): string {
  return escapeControls(text).replace(/[&<>"']/g, (char) => ESCAPES[char] ?? "")
}
