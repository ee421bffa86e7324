/**
 * The readers of files: one for those that hold secrets, which looks at what it has opened and not at what a name led to a moment ago,
 * and one for texts of a user. And what can be said of a file without reading it.
 */
import { isUtf8 } from "node:buffer"
import { type BigIntStats, constants, statSync } from "node:fs"
import { type FileHandle, lstat, open } from "node:fs/promises"
import { dirname } from "node:path"
import { PosternError } from "./diagnosis.ts"
import { fileNotPrivate, fileUnreadable, hasErrno, readFailure, writeFailure } from "./file-diagnoses.ts"
import { shellWord } from "./shell.ts"

/** A configuration of this size is a mistake, for example a log file named by `--config`. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024

/** Windows has no such flags, and no modes: its files are private by the folder that they lie in. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0
const NO_WAIT = constants.O_NONBLOCK ?? 0

/**
 * Reads a file that holds secrets.
 *
 * It never follows a symbolic link and never waits for the writer of a FIFO; owner and mode are those of the opened file,
 * so that swapping the name between the check and the read gains nothing (CWE-367).
 *
 * @param options - `inPrivateFolder`: the same is asked of its folder, where others could put something else in its place
 * @returns its bytes, or undefined if there is no such file
 * @throws {PosternError} `file-not-private` for a symbolic link, anything but a regular file, a foreign owner, or a mode that
 *   lets others in; `file-unreadable` if it cannot be read
 */
export async function readPrivateFile(path: string, { inPrivateFolder = false } = {}): Promise<Buffer | undefined> {
  const file = await openToRead(path, NO_FOLLOW)
  if (file === undefined) return undefined
  try {
    const folder = dirname(path)
    const [facts, folderFacts] = await Promise.all([file.stat({ bigint: true }), inPrivateFolder ? factsOf(folder) : undefined])
    refuseUnlessPrivate(path, facts, "file")
    if (folderFacts !== undefined) refuseUnlessPrivate(folder, folderFacts, "folder")
    return await file.readFile()
  } catch (error) {
    throw readFailure(path, error)
  } finally {
    await file.close()
  }
}

/**
 * Reads a text file of a user, for example a configuration, which may be a symbolic link.
 *
 * @returns the text as it stands, a byte order mark included, or undefined if there is no such file
 * @throws {PosternError} `file-unreadable` if it cannot be read, is no regular file, is larger than 16 MiB, or is not UTF-8
 */
export async function readTextFile(path: string): Promise<string | undefined> {
  const file = await openToRead(path, 0)
  if (file === undefined) return undefined
  try {
    const facts = await file.stat({ bigint: true })
    if (!facts.isFile()) throw unreadable(path, "it is not a regular file")
    if (facts.size > MAX_TEXT_BYTES) throw unreadable(path, `it has ${facts.size} bytes, and the limit is ${MAX_TEXT_BYTES}`)
    const bytes = await file.readFile()
    // A lossy reading would be written back as damage at the next edit.
    if (!isUtf8(bytes)) throw unreadable(path, "it is not UTF-8 text")
    return bytes.toString("utf8")
  } catch (error) {
    throw readFailure(path, error)
  } finally {
    await file.close()
  }
}

/**
 * Tells cheaply whether a file is still the one that was read: equal stamps, equal file. For caches on the hot path, hence
 * synchronous: one call of the system, a few microseconds.
 *
 * @returns undefined if there is no such file
 * @throws {PosternError} `file-unreadable` for any other failure
 */
export function fileStamp(path: string): string | undefined {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${ino}-${size}-${mtimeNs}-${ctimeNs}`
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined
    throw readFailure(path, error)
  }
}

/**
 * @returns when the file was last written, in milliseconds since 1970; undefined if there is no such file
 * @throws {PosternError} `file-unreadable` for any other failure
 */
export function modifiedAtMs(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined
    throw readFailure(path, error)
  }
}

/** The facts of what a name stands for itself, a symbolic link not followed. */
export async function factsOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined
    throw writeFailure(path, error)
  }
}

/** @throws {PosternError} `file-not-private` for another kind of file, a foreign owner, or a mode that lets others in */
export function refuseUnlessPrivate(path: string, facts: BigIntStats, kind: "file" | "folder"): void {
  if (!(kind === "file" ? facts.isFile() : facts.isDirectory())) throw notPrivateKind(path, facts, kind)
  const self = process.geteuid?.()
  if (self === undefined) return
  const word = shellWord(path)
  if (facts.uid !== BigInt(self)) {
    const fault = `it belongs to the user ${facts.uid}, and this is the user ${self}`
    throw new PosternError(fileNotPrivate({ path, fault, next: `ls -ld ${word}` }))
  }
  if ((facts.mode & 0o077n) === 0n) return
  const fault = `other users can use it (mode ${(facts.mode & 0o777n).toString(8).padStart(4, "0")})`
  throw new PosternError(fileNotPrivate({ path, fault, next: `chmod ${kind === "file" ? "600" : "700"} ${word}` }))
}

/** What is told of something else than the file or folder that should be there. */
export function notPrivateKind(path: string, facts: BigIntStats, kind: "file" | "folder"): PosternError {
  const fault = facts.isSymbolicLink() ? "it is a symbolic link" : `it is not a ${kind === "file" ? "regular file" : "folder"}`
  return new PosternError(fileNotPrivate({ path, fault, next: `ls -ld ${shellWord(path)}` }))
}

async function openToRead(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | NO_WAIT | flags)
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined
    const facts = flags === NO_FOLLOW && hasErrno(error, "ELOOP", "ENXIO", "EMLINK") ? await factsOf(path) : undefined
    throw facts === undefined ? readFailure(path, error) : notPrivateKind(path, facts, "file")
  }
}

function unreadable(path: string, fault: string): PosternError {
  return new PosternError(fileUnreadable({ path, fault }))
}
