/** One configuration file as it was read: its text, and the object in it. */
import { PosternError } from "../core/diagnosis.ts"
import { isObject, parseJson } from "../core/json.ts"
import { readTextFile } from "../core/read-file.ts"
import { configInvalid, configUnreadable } from "./diagnoses.ts"
import type { TextPlaces } from "./jsonc.ts"
import { nestingProblem } from "./nesting.ts"
import type { Fault } from "./schema.ts"

/** A file as it was read: its text, and what it says. */
export interface ConfigDocument {
  readonly file: string
  /** As it stands in the file, but without a byte order mark. What is decided about a file is decided about this text. */
  readonly text: string
  readonly root: Readonly<Record<string, unknown>>
  /** Where things stand in the text. Loaded and parsed for the first who asks, as only errors and remarks do. */
  places(): Promise<TextPlaces>
}

/**
 * Reads a file of the shape `{ "mcpServers": { ... } }`. Comments, trailing commas and a byte order mark are fine.
 *
 * @param file - absolute path
 * @returns the document, or undefined when there is no such file
 * @throws {PosternError} `config-unreadable` if it is there and no JSON; `config-invalid` if it is no object; `file-unreadable`
 */
export async function readDocument(file: string): Promise<ConfigDocument | undefined> {
  const written = await readTextFile(file)
  return written === undefined ? undefined : parseDocument(file, written)
}

/** As `readDocument`, of a text that was read already. */
export async function parseDocument(file: string, written: string): Promise<ConfigDocument> {
  const text = written.startsWith("\uFEFF") ? written.slice(1) : written
  const root = await parse(file, text)
  let places: Promise<TextPlaces> | undefined
  if (isObject(root)) return { file, text, root, places: () => (places ??= loadPlaces(text)) }
  const fault = { path: [], key: "the whole file", found: "no object", right: '{"mcpServers": {}}' }
  throw new PosternError(configInvalid({ file, at: { line: 1, column: 1 }, faults: [fault] }))
}

/**
 * Makes the error for wrong values, with the place of the first.
 *
 * @param faults - at least one
 */
export async function invalid({ file, places }: ConfigDocument, faults: readonly [Fault, ...Fault[]]): Promise<PosternError> {
  const { locate } = await places()
  return new PosternError(configInvalid({ file, at: locate(faults[0].path), faults }))
}

const loadPlaces = async (text: string): Promise<TextPlaces> => (await import("./jsonc.ts")).placesOf(text)

async function parse(file: string, text: string): Promise<unknown> {
  const plain = parseJson(text)
  // Of two equal keys JSON keeps one, so the text is asked, and not what was read.
  const problem = plain === undefined ? undefined : nestingProblem(text)
  if (problem !== undefined) throw new PosternError(configUnreadable({ file, problem }))
  if (plain !== undefined) return plain
  const { parseJsonc } = await import("./jsonc.ts")
  const parsed = parseJsonc(text)
  if ("value" in parsed) return parsed.value
  throw new PosternError(configUnreadable({ file, ...parsed }))
}
