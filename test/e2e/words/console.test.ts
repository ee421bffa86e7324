/**
 * The sessions that the pages show are run here, on the built program, and their outputs are compared. `npm run docs` writes them anew.
 *
 * A session is a block of the language `console`. A comment in front of it, `<!-- scene: with-key -->`, sets a scene up; without one it
 * goes on where the block before it ended. One that this machine cannot play stays as it is. Where the page shows `...`, the output is
 * cut there.
 */
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Page, readPages, root } from "../../docs/pages.ts"
import { type Stage, openStage } from "./stage.ts"

const SESSION = /(<!-- scene: ([\w-]+) -->\n)?```console\n([^]*?)^```$/gm

// Its servers are real programs that take a second to start; scenes wipe everything else.
let stage: Stage
beforeAll(async () => void (stage = await openStage()))
afterAll(() => stage[Symbol.asyncDispose]())

/** @returns the session as it goes now */
async function play(session: string): Promise<string> {
  const played: string[] = []
  for (const [, line = "", shown = ""] of session.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
    const output = await stage.run(line)
    const kept = shown.split("\n").indexOf("...")
    const cut = kept === -1 ? output.trimEnd() : [...output.split("\n").slice(0, kept), "..."].join("\n")
    played.push(`$ ${line}`, ...(cut === "" ? [] : [cut]))
  }
  return `${played.join("\n")}\n`
}

async function withSessionsPlayed({ text }: Page): Promise<string> {
  let played = ""
  let from = 0
  for (const match of text.matchAll(SESSION)) {
    const [whole, comment = "", scene, session = ""] = match
    if (scene !== undefined && !(await stage.setUp(scene))) continue // it stays as it is shown
    played += `${text.slice(from, match.index)}${comment}\`\`\`console\n${await play(session)}\`\`\``
    from = match.index + whole.length
  }
  return played + text.slice(from)
}

const pages = (await readPages()).filter(({ text }) => text.includes("```console"))

test("there are pages with sessions", () => {
  expect(pages.map(({ path }) => path)).toContain("README.md")
})

test.each(pages)("the sessions of $path go as it shows", async (page) => {
  await expect(await withSessionsPlayed(page)).toMatchFileSnapshot(join(root, page.path))
})
