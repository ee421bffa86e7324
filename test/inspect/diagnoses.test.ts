/** The pages in docs/diagnoses are made from the codes' own table: `npm run docs` writes them, and here a stale one fails. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import * as awsRemarks from "../../src/auth/aws/remarks.ts"
import { proofMissing } from "../../src/auth/diagnoses.ts"
import * as commandLine from "../../src/cli/diagnoses.ts"
import { EXIT_CODES } from "../../src/cli/exit.ts"
import * as remarks from "../../src/config/remarks.ts"
import type { DiagnosisDefinition } from "../../src/core/diagnosis.ts"
import { allDiagnoses } from "../../src/inspect/diagnoses.ts"

const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const pages = inRepository("docs/diagnoses")
const diagnoses = allDiagnoses(commandLine)
const codes = diagnoses.map(({ code, about, kind }) => ({ code, about, kind }))
type CodeFacts = (typeof codes)[number]
const remarkCodes = new Set([...Object.values(remarks), ...Object.values(awsRemarks)].map(({ code }) => code))

const WORDS = { failed: "failed", usage: "wrong usage", "sign-in": "sign-in needed", guard: "refused by a guard" } as const
const MADE = "<!-- Made by `npm run docs` from the code's own table; a change here is overwritten. -->"

/** What a command that ends with the code does; a remark ends none. */
function effectOf({ code, kind }: CodeFacts): string {
  return remarkCodes.has(code) ? "a note; it stops nothing" : `exit code ${EXIT_CODES[kind]} (${WORDS[kind]})`
}

function wrap(text: string, width: number): string {
  const lines = [""]
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`.trimStart()
    if (longer.length > width) lines.push(word)
    else lines[lines.length - 1] = longer
  }
  return lines.join("\n")
}

function pageOf(facts: CodeFacts): string {
  const seen = remarkCodes.has(facts.code)
    ? "It is a note, told on stderr, and stops nothing."
    : `A command that fails with it ends with ${effectOf(facts)}. The code stands in \`error.code\` of what \`--json\` prints, and in \`error.data.code\` where the bridge answers a client with it.`
  return `${MADE}\n# ${facts.code}\n\n${wrap(facts.about, 130)}\n\n${wrap(seen, 130)}\n\n[All codes](README.md)\n`
}

function indexPage(): string {
  const rows = codes.map((facts) => `| [\`${facts.code}\`](${facts.code}.md) | ${effectOf(facts)} |`)
  const intro = wrap(
    "Every failure that a person can act on has a code. A code is public: once released it is never renamed and never given another meaning. Scripts compare codes, and never the text of a message.",
    130,
  )
  return `${MADE}\n# Diagnosis codes\n\n${intro}\n\n| code | what it is |\n|---|---|\n${rows.join("\n")}\n`
}

/** All sources, as one text. */
async function readSources(): Promise<string> {
  const entries = await readdir(inRepository("src"), { recursive: true })
  const files = entries.filter((entry) => entry.endsWith(".ts")).map((entry) => readFile(join(inRepository("src"), entry), "utf8"))
  return (await Promise.all(files)).join("\n")
}

test.each(codes)("the page of $code says what the code says", async (facts) => {
  await expect(pageOf(facts)).toMatchFileSnapshot(join(pages, `${facts.code}.md`))
})

test("the index lists all codes", async () => {
  await expect(indexPage()).toMatchFileSnapshot(join(pages, "README.md"))
})

test("there is no page of a code that is gone", async () => {
  const right = new Set(["README.md", ...codes.map(({ code }) => `${code}.md`)])

  expect((await readdir(pages)).filter((file) => !right.has(file))).toEqual([])
})

test("a code is written in kebab-case, and no two diagnoses share one", () => {
  const names = codes.map(({ code }) => code)

  expect(names.filter((name) => !/^[a-z]+(-[a-z]+)*$/.test(name))).toEqual([])
  expect(new Set(names).size).toBe(names.length)
})

test("every diagnosis that is declared anywhere is in the list", async () => {
  const declared = [...(await readSources()).matchAll(/defineDiagnosis\(\{\s*code: "([^"]+)"/g)].map(([, code]) => code)

  expect(declared.toSorted()).toEqual(codes.map(({ code }) => code).toSorted())
})

test("no error is thrown with a code that no diagnosis declares", async () => {
  const thrown = [...(await readSources()).matchAll(/new PosternError\(\{[^)]*?\bcode: *"([^"]+)"/g)].map(([, code]) => code)

  expect(thrown).toEqual([])
})

/** A name that would run its author's program, were it pasted without quotes. */
const HOSTILE = "a;touch pwn #'$(touch pwn)"

/** What is no text, what can be no such name, and what is a whole next step already. All else is the hostile name. */
const otherwise: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(["evidence", "hints", "checked", "unchecked", "likely", "deleted", "checks"].map((key) => [key, []])),
  ...Object.fromEntries(["missing", "revisions", "tried", "known"].map((key) => [key, []])),
  ...Object.fromEntries(["keys", "has", "named", "others", "all", "scopes", "names", "files"].map((key) => [key, [HOSTILE]])),
  ...Object.fromEntries(["next", "instead", "help", "command", "signIn", "mend", "renew", "again"].map((key) => [key, ""])),
  file: HOSTILE, // what is handed on with the rest has to stand here
  key: HOSTILE,
  at: undefined,
  scope: "user",
  variable: "KEY",
  faults: [{ key: HOSTILE, found: HOSTILE, right: HOSTILE }],
  denial: undefined,
  holder: undefined,
  // Texts for some, and more than that for others.
  port: 1,
  server: Object.assign(Object(HOSTILE) as object, { name: HOSTILE, scope: "file", file: HOSTILE }),
  url: Object.assign(Object(HOSTILE) as object, { host: HOSTILE, origin: "", pathname: HOSTILE }),
  caller: Object.assign(Object(HOSTILE) as object, { arn: HOSTILE, account: HOSTILE }),
}
const seen = new Proxy(otherwise, { get: (facts, key) => (key in facts ? Reflect.get(facts, key) : HOSTILE) as unknown })

test.each(diagnoses.map((definition) => [definition.code, definition] as const))(
  "what stands in a command of the next step of %s is one word of a shell each",
  (_, definition) => {
    const { next = "" } = (definition as DiagnosisDefinition<unknown>)(seen)

    const outsideOfQuotes = next.replaceAll(/'[^']*'|\\'/g, "")
    if (/\b(postern|ls|chmod|aws) |--\w/.test(next)) expect(outsideOfQuotes).not.toContain("touch")
  },
)

test.each([
  ["Basic realm=x", { scope: "user" }, "postern remove api, then add it again with --header 'Authorization: Basic -'"],
  ["Digest realm=x", { scope: "user" }, "postern remove api, then add it again with --header 'Authorization: Bearer -'"],
  ["Basic realm=x", { scope: "file" }, "add the header that it asks for to its entry in /w/mcp.json"],
] as const)("a server that asks for %s is mended in its entry, wherever that is: %j", (challenge, place, next) => {
  expect(proofMissing({ server: { name: "api", file: "/w/mcp.json", ...place }, status: 401, challenge })).toMatchObject({ next })
})
