/** Where the words point to, there is something. */
import { existsSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { expect, test } from "vitest"
import { type Page, inlineCodeOf, readPages, root } from "./pages.ts"

const pages = await readPages()

/** As GitHub makes them of headings. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  )
}

const linksOf = ({ text }: Page): readonly string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target).filter((target) => !/^[a-z]+:/.test(target))

async function isBroken(page: Page, link: string): Promise<boolean> {
  const [path = "", anchor] = link.split("#")
  const file = path === "" ? join(root, page.path) : resolve(root, dirname(page.path), path)
  if (!existsSync(file)) return true
  return anchor !== undefined && !anchorsOf(await readFile(file, "utf8")).includes(anchor)
}

test.each(pages)("each relative link of $path leads somewhere", async (page) => {
  const links = linksOf(page)

  const broken = (await Promise.all(links.map(async (link) => ((await isBroken(page, link)) ? [link] : [])))).flat()

  expect(broken).toEqual([])
})

test("each source and test that the words name is there", async () => {
  const sources = await readdir(join(root, "src"), { recursive: true })
  const isThere = (name: string): boolean =>
    existsSync(join(root, name)) || sources.some((path) => path === name || path.endsWith(`/${name}`))

  const named = pages.flatMap((page) => inlineCodeOf(page).filter((code) => /^[\w./-]+\.ts$/.test(code) && !code.startsWith("/")))

  expect(named.length).toBeGreaterThan(40)
  expect(named.filter((name) => !isThere(name))).toEqual([])
})

test("each limit of the architecture page is a name of the file that it stands beside", async () => {
  const page = pages.find(({ path }) => path === "docs/architecture.md")
  const rows = [...(page?.text ?? "").matchAll(/^\|[^|]+\|[^|]+\| (`[^|]+`) \| `(src\/[^|]+\.ts)` \|$/gm)]

  const missing = await Promise.all(
    rows.map(async ([, names = "", file = ""]) => {
      const source = await readFile(join(root, file), "utf8")
      const constants = [...names.matchAll(/\w+/g)].map(([name]) => name)
      return constants.filter((name) => !new RegExp(`\\b${name}\\b`).test(source)).map((name) => `${name} in ${file}`)
    }),
  )

  expect(rows.length).toBeGreaterThan(20)
  expect(missing.flat()).toEqual([])
})

test("each npm script that the words name is one", async () => {
  const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(await readFile(join(root, "package.json"), "utf8"))

  const named = pages.flatMap(({ text }) => [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name))

  expect(named.filter((name) => !(name in scripts))).toEqual([])
})
