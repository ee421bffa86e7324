/** The recording on the page is played here, and compared; `npm run docs` writes it anew. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { root } from "../../docs/pages.ts"
import { recordMidSession } from "./recording.ts"

const PAGE = join(root, "docs/sign-in-in-mid-session.md")
const RECORDING = /(<!-- recording: mid-session -->\n```text\n)(?:[^]*?\n)?(```)/

test("3.3: the recording of a token that dies in the middle of a call goes as the page shows", async () => {
  const page = await readFile(PAGE, "utf8")
  expect(page).toMatch(RECORDING)

  const played = await recordMidSession()

  await expect(page.replace(RECORDING, (_, begin: string, end: string) => `${begin}${played}\n${end}`)).toMatchFileSnapshot(PAGE)
})
