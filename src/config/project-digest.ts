/**
 * What an approval covers: a project file, and every file that its entries name. Whatever of it changes, the digest changes.
 *
 * It cannot cover what a program loads in its turn; `describeProject` shows what is covered, so that nobody has to guess.
 */
import { createHash, type Hash } from "node:crypto"
import { constants } from "node:fs"
import { open, realpath, stat } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { PosternError } from "../core/diagnosis.ts"
import { isObject } from "../core/json.ts"
import { projectTooLarge } from "./diagnoses.ts"
import type { ConfigDocument } from "./document.ts"
import { parseTemplate } from "./template.ts"

/** A file that an entry names, as it was when the digest was made. */
export interface NamedFile {
  /** Where the name leads, links followed. */
  readonly path: string
  readonly bytes: number
  /** False for a large file: its size and time of change stand for its content. */
  readonly hashed: boolean
}

/** What an approval is given for: one hash over all that decides, and the files that it covers. */
export interface ProjectDigest {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string
  readonly files: readonly NamedFile[]
}

/** Reading these at every start is not noticed; an interpreter of 100 MB would be. */
const LARGEST_HASHED_BYTES = 8 * 1024 * 1024
const MOST_FILES = 200
const MOST_WORDS = 5000

/** What separates the file names in a command line, an option (`--require=./x.js`) or a list of paths. */
const SEPARATORS = /[\s"'`=,;|&<>()]+|:(?!\/\/)/

/**
 * Makes the digest of a project file and of the files that it names. Reads regular files, and nothing else: no process, no
 * network, no replacing of references.
 *
 * @throws {PosternError} `project-too-large` if it names more than an approval can cover
 */
export async function digestProject(document: ConfigDocument): Promise<ProjectDigest> {
  const hash = createHash("sha256")
  addTo(hash, ["postern project 1", document.text])
  const named = await findNamedFiles(document)
  for (const file of named) {
    // A file in a clone can be padded beyond the limit, but its time of change cannot be set by a pull.
    const content = file.hashed ? await hashFile(file.path) : `${file.bytes} ${file.changedAtMs}`
    addTo(hash, [file.path, content])
  }
  const files = named.map(({ path, bytes, hashed }) => ({ path, bytes, hashed }))
  return { digest: `sha256:${hash.digest("hex")}`, files }
}

/** Each piece with its length, so that no two lists have the same bytes. */
function addTo(hash: Hash, pieces: readonly string[]): void {
  for (const piece of pieces) hash.update(`${Buffer.byteLength(piece)}:`).update(piece)
}

async function findNamedFiles({ file, root }: ConfigDocument): Promise<readonly (NamedFile & { changedAtMs: number })[]> {
  const folder = dirname(file)
  const words = new Set([...textsIn(root["mcpServers"])].flatMap(possibleNames))
  if (words.size > MOST_WORDS) throw new PosternError(projectTooLarge({ file, limit: `its entries hold more than ${MOST_WORDS} words` }))

  const found = new Map<string, NamedFile & { changedAtMs: number }>()
  for (const word of words) {
    const facts = await regularFile(resolve(folder, word))
    if (facts !== undefined) found.set(facts.path, facts)
    if (found.size > MOST_FILES) throw new PosternError(projectTooLarge({ file, limit: `it names more than ${MOST_FILES} files` }))
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Every text of every entry, not only those that this version uses: a later key may name a file too. */
function* textsIn(value: unknown): Generator<string> {
  const waiting: unknown[] = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === "string") yield next
    else if (Array.isArray(next)) waiting.push(...next)
    else if (isObject(next)) waiting.push(...Object.values(next))
  }
}

/**
 * What of a text may be the name of a file. A reference stands for a folder that is not known yet, most often the project's
 * own (`${PWD}/server.js`), so what follows it is looked for there; a default may be the name itself.
 */
function possibleNames(text: string): readonly string[] {
  const parts = parseTemplate(text)
  const withDefaults = parts.map((part) => (part.kind === "variable" ? (part.fallback ?? "") : part.kind === "secret" ? "" : part.written))
  const plain = parts.flatMap((part) => (part.kind === "text" ? [part.written.replace(/^\/+/, ""), part.written] : []))
  const whole = [text, withDefaults.join(""), ...plain]
  return whole.flatMap((one) => [one, ...one.split(SEPARATORS)]).filter((name) => name !== "" && !name.includes("\0") && name.length < 4096)
}

/** Looks without opening: the name may lead to a device, or to a FIFO that never answers. */
async function regularFile(name: string): Promise<(NamedFile & { changedAtMs: number }) | undefined> {
  try {
    const path = await realpath(name)
    const { size, mtimeMs, isFile } = await stat(path).then((facts) => ({
      size: facts.size,
      mtimeMs: facts.mtimeMs,
      isFile: facts.isFile(),
    }))
    return isFile ? { path, bytes: size, hashed: size <= LARGEST_HASHED_BYTES, changedAtMs: mtimeMs } : undefined
  } catch {
    return undefined // most words are no names of files
  }
}

async function hashFile(path: string): Promise<string> {
  try {
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const hash = createHash("sha256")
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk as Buffer)
    return hash.digest("hex")
  } catch (error) {
    // It is named and cannot be read, so no other user's program can be started from it either; once it can, the digest differs.
    return `unreadable ${error instanceof Error && "code" in error ? String(error.code) : ""}`
  }
}
