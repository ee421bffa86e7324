/** The Markdown files of the repository, taken apart as far as the tests of the words need it. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export interface Page {
  /** Relative to the repository. */
  readonly path: string
  readonly text: string
}

export interface Block {
  /** The word behind the fence, for example `json`; empty for an indented block. */
  readonly language: string
  readonly text: string
}

/** All pages that a person reads. */
export async function readPages(): Promise<readonly Page[]> {
  const docs = (await readdir(join(root, "docs"), { recursive: true })).filter((path) => path.endsWith(".md")).toSorted()
  const paths = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/README.md",
    ...docs.map((path) => join("docs", path)),
  ]
  return Promise.all(paths.map(async (path) => ({ path, text: await readFile(join(root, path), "utf8") })))
}

const FENCE = /^```(\w*)\n([^]*?)^```$/gm

/** The blocks of code: between fences, or indented by four. */
export function blocksOf({ text }: Page): readonly Block[] {
  const fenced = [...text.matchAll(FENCE)].map(([, language = "", inside = ""]) => ({ language, text: inside }))
  const indented = [...text.replace(FENCE, "").matchAll(/(?:^ {4}\S.*\n?)+/gm)].map(([block]) => ({ language: "", text: block }))
  return [...fenced, ...indented]
}

/** Pieces of code in a line. */
export function inlineCodeOf({ text }: Page): readonly string[] {
  return [...text.replace(FENCE, "").matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code.replace(/\s+/g, " "))
}
