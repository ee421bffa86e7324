/** The lines of a file that somebody else is still writing. */
import { constants } from "node:fs"
import { type FileHandle, open, stat } from "node:fs/promises"
import { StringDecoder } from "node:string_decoder"
import type { Clock } from "./clock.ts"
import { PosternError } from "./diagnosis.ts"
import { fileUnreadable, hasErrno, readFailure } from "./file-diagnoses.ts"

/** One line, perhaps without its end yet. */
export interface FileLine {
  readonly text: string
  /** False: the file ends in the middle of it. */
  readonly whole: boolean
}

/** Whether one waits for more. */
export interface LineOptions {
  /** Waits for more at the end, until the signal aborts. */
  readonly follow: boolean
  readonly clock: Clock
}

const CHUNK_BYTES = 64 * 1024
const POLL_MS = 200
/** No event is that long; what is longer is given out in pieces, so that memory stays bounded. */
const LONGEST_LINE = 1024 * 1024

/**
 * Reads a text file line by line. Where it is followed, a file that was cut short, or replaced by another one of its name, is read
 * from its beginning again.
 *
 * @param signal - ends it without an error
 * @returns undefined if there is no such file
 * @throws {PosternError} `file-unreadable` if it cannot be read or is no regular file
 */
export async function openLines(path: string, options: LineOptions, signal: AbortSignal): Promise<AsyncIterable<FileLine> | undefined> {
  const file = await openFile(path)
  return file === undefined ? undefined : readLines(path, file, options, signal)
}

async function* readLines(path: string, first: FileHandle, { follow, clock }: LineOptions, signal: AbortSignal): AsyncGenerator<FileLine> {
  let file = first
  let rest = lineSplitter()
  let position = 0
  const buffer = Buffer.alloc(CHUNK_BYTES)
  try {
    while (!signal.aborted) {
      const { bytesRead } = await read(path, file, buffer, position)
      position += bytesRead
      yield* rest.push(buffer.subarray(0, bytesRead))
      if (bytesRead > 0) continue
      if (!follow) return yield* rest.end()
      if (!(await slept(clock, signal))) return
      const next = await successor(path, file, position)
      if (next === undefined) continue
      yield* rest.end()
      if (next !== file) await file.close()
      ;[file, rest, position] = [next, lineSplitter(), 0]
    }
  } finally {
    await file.close()
  }
}

interface LineSplitter {
  push(bytes: Buffer): FileLine[]
  end(): FileLine[]
}

function lineSplitter(): LineSplitter {
  const decoder = new StringDecoder("utf8")
  let held = ""
  return {
    push(bytes) {
      const texts = (held + decoder.write(bytes)).split("\n")
      held = texts.pop() ?? ""
      if (held.length > LONGEST_LINE) {
        texts.push(held)
        held = ""
      }
      return texts.map((text) => ({ text: text.replace(/\r$/, ""), whole: true }))
    },
    end() {
      const text = held + decoder.end()
      return text === "" ? [] : [{ text, whole: false }]
    },
  }
}

/** A FIFO would be waited for, and a device has no end. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)) // Windows has no such flag
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined
    throw readFailure(path, error)
  }
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new PosternError(fileUnreadable({ path, fault: "it is not a regular file" }))
}

async function read(path: string, file: FileHandle, buffer: Buffer, position: number): Promise<{ bytesRead: number }> {
  try {
    return await file.read(buffer, 0, buffer.length, position)
  } catch (error) {
    throw readFailure(path, error)
  }
}

/** @returns whether the time has passed; false: the signal aborted */
async function slept(clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(POLL_MS, signal)
    return true
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

/** @returns the file to be read from its beginning, if the one at hand was cut short or another one has its name now */
async function successor(path: string, file: FileHandle, position: number): Promise<FileHandle | undefined> {
  const now = await file.stat({ bigint: true })
  if (now.size < position) return file
  try {
    const named = await stat(path, { bigint: true })
    if (named.ino === now.ino && named.dev === now.dev) return undefined
  } catch {
    return undefined // between two files of that name there may be none
  }
  return openFile(path)
}
