import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { posternCommand, shellWord } from "../../src/core/shell.ts"

test.each([
  "weather",
  "we ird",
  "a  b ",
  "a;touch pwn #",
  "it's $HOME `id` \\n",
  "=ls",
  "~",
  "",
  "first\nsecond\tthird",
  "it's\n\\n",
  "\u001b[2J",
])("%j is the same word again once a shell has read it", async (text) => {
  const { stdout } = await promisify(execFile)("bash", ["-c", `printf '%s|' ${shellWord(text)}`])

  expect(stdout).toBe(`${text}|`)
})

test("a word that stands in a command acts on no terminal and begins no line", () => {
  expect(shellWord("a\n\u001b[2J")).toBe("$'a\\n\\u001b[2J'")
})

test("a name that begins with a dash stands behind all options and two dashes", () => {
  expect(posternCommand("auth", "linear", "--fresh")).toBe("postern auth linear --fresh")
  expect(posternCommand("auth", "-x's", "--fresh")).toBe("postern auth --fresh -- '-x'\\''s'")
  expect(posternCommand("enable", "-d")).toBe("postern enable -- -d")
})
