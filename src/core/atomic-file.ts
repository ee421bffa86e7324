/** The one writer for files: a reader sees the old file or the new one, whole, whatever happens in between; and the folders they lie in. */
import { randomBytes } from "node:crypto"
import { type BigIntStats, constants } from "node:fs"
import { type FileHandle, link, mkdir, open, realpath, rename, unlink } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { PosternError } from "./diagnosis.ts"
import { fileNotPrivate, hasErrno, notWritable, writeFailure } from "./file-diagnoses.ts"
import { factsOf, notPrivateKind, refuseUnlessPrivate } from "./read-file.ts"
import { shellWord } from "./shell.ts"

/** How a file is replaced. */
export interface WriteOptions {
  /** Default 0600. An existing file that is written with `followSymlink` keeps its own. */
  readonly mode?: number
  /** Replaces the file behind a symbolic link (a dotfiles repository); otherwise a link is refused. */
  readonly followSymlink?: boolean
  /** The last look before the new file takes the place of the old one: throws to keep the old one. */
  readonly beforeRename?: () => Promise<void>
}

/**
 * Writes a file so that at every moment, after a kill or a power loss too, the old or the new content stands there whole.
 *
 * @param path - in a folder that exists
 * @throws {PosternError} `disk-full`, `not-writable`, or `file-not-private` for a symbolic link; the old file is then
 *   unchanged, and no temporary file is left. What `beforeRename` throws comes out as it is.
 */
export async function writeFileAtomic(path: string, data: string | Buffer, options: WriteOptions = {}): Promise<void> {
  const { mode = 0o600, followSymlink = false, beforeRename } = options
  const target = followSymlink ? await resolveSymlink(path) : path
  const old = await factsOf(target)
  if (old !== undefined && !old.isFile()) throw notPrivateKind(target, old, "file")
  const temporary = await writeTemporary(target, data, { mode: followSymlink && old ? Number(old.mode & 0o7777n) : mode, old })
  try {
    await beforeRename?.()
    await rename(temporary, target)
  } catch (error) {
    await discard(temporary)
    throw writeFailure(target, error)
  }
  await syncFolder(dirname(target))
}

/**
 * Makes sure that a file can be written where `path` is, before something is done that cannot be done twice. What is there stays as it
 * is, its stamp too: whoever watches it sees nothing.
 *
 * @param bytes - for how many there has to be room
 * @throws {PosternError} as `writeFileAtomic` does
 */
export async function probeWrite(path: string, bytes: number): Promise<void> {
  const old = await factsOf(path)
  if (old !== undefined && !old.isFile()) throw notPrivateKind(path, old, "file")
  await discard(await writeTemporary(path, Buffer.alloc(bytes), { mode: 0o600 }))
}

/**
 * Makes a private file (0600) that is complete from its first moment, unless one of that name is there: of several makers at
 * once, exactly one succeeds.
 *
 * @param options - `durable`: it also outlives a power loss
 * @returns whether this call made it
 * @throws {PosternError} `disk-full`, `not-writable`
 */
export async function createFileExclusive(path: string, data: string | Buffer, options: { durable: boolean }): Promise<boolean> {
  const temporary = await writeTemporary(path, data, { mode: 0o600, durable: options.durable })
  try {
    await link(temporary, path)
  } catch (error) {
    if (hasErrno(error, "EEXIST")) return false
    throw writeFailure(path, error)
  } finally {
    await discard(temporary)
  }
  if (options.durable) await syncFolder(dirname(path))
  return true
}

/** Removes a file; one that is gone already is no failure. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw writeFailure(path, error)
  }
}

/**
 * Makes a folder that only this user can enter (0700), with the folders above it that are missing.
 *
 * @throws {PosternError} `file-not-private` if it is there and is a symbolic link, no folder, foreign, or open to others;
 *   `not-writable` or `disk-full` if it cannot be made
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  await ensureFolder(path)
  const facts = await factsOf(path)
  if (facts !== undefined) refuseUnlessPrivate(path, facts, "folder")
}

/**
 * Makes a folder (0700), with the folders above it that are missing. One that is there stays as it is, whoever can enter it: it is
 * shared with other programs.
 *
 * @throws {PosternError} `not-writable` or `disk-full` if it cannot be made
 */
export async function ensureFolder(path: string): Promise<void> {
  if ((await factsOf(path)) === undefined) await makeFolder(resolve(path))
}

/** Step by step: the recursive `mkdir` of Node.js does not end where the system answers ENOENT for a folder in a folder that exists. */
async function makeFolder(path: string): Promise<void> {
  const above = dirname(path)
  if (above !== path && (await factsOf(above)) === undefined) await makeFolder(above)
  await refuseForeignHome(path)
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (hasErrno(error, "EEXIST")) return // another process was faster
    throw writeFailure(path, error)
  }
  // A new folder is durable once the one above it is: otherwise a power loss takes a key away and leaves its vault.
  await syncFolder(above)
}

/** With sudo, HOME may still be the person's own: what belongs to root there would lock the person out. */
async function refuseForeignHome(path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const above = dirname(path)
  const { uid = 0n } = (await factsOf(above)) ?? {}
  if (uid === 0n) return
  const fault = `it would belong to root, in a folder of the user ${uid}`
  throw new PosternError(fileNotPrivate({ path, fault, next: `run it without sudo, as the user of ${shellWord(above)}` }))
}

async function resolveSymlink(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw writeFailure(path, error)
    if ((await factsOf(path)) === undefined) return path
    throw new PosternError(notWritable({ path, fault: "it is a symbolic link to a file that does not exist" }), { cause: error })
  }
}

interface TemporaryFile {
  readonly mode: number
  readonly durable?: boolean
  /** The file that it is going to replace. */
  readonly old?: BigIntStats | undefined
}

/** @returns the path of a new file in the folder of `target`, written whole */
async function writeTemporary(target: string, data: string | Buffer, { mode, durable = true, old }: TemporaryFile): Promise<string> {
  await refuseForeignHome(target)
  const path = `${target}.${randomBytes(6).toString("hex")}.tmp`
  let file: FileHandle | undefined
  try {
    file = await open(path, "wx", 0o600)
    await file.chmod(mode) // the mode of `open` is cut by the umask
    await file.writeFile(data)
    if (old !== undefined) await makeNewer(file, old)
    if (durable) await file.sync()
    await file.close()
    return path
  } catch (error) {
    await file?.close().catch(() => undefined) // closed already, or broken: the first failure is what is told
    if (file !== undefined) await discard(path)
    throw writeFailure(target, error)
  }
}

/** Removes a temporary file as well as may be: what is told is why the write failed, or that it has succeeded. */
async function discard(temporary: string): Promise<void> {
  await unlink(temporary).catch(() => undefined)
}

/**
 * File systems stamp times in steps of some milliseconds and use inodes again, so that the third of three quick writes could
 * have the stamp of the first; a cache that has missed the second would never see the third.
 */
async function makeNewer(file: FileHandle, old: BigIntStats): Promise<void> {
  const { atime, mtimeNs } = await file.stat({ bigint: true })
  if (mtimeNs <= old.mtimeNs) await file.utimes(atime, Number(old.mtimeNs / 1000n + 2n) / 1e6)
}

/**
 * Lets a new name in a folder outlive a power loss, as well as the system can: Windows and some network file systems cannot. The name is
 * there already, for everybody, so a failure is none of whoever made it: told as one, it would be made a second time.
 */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY).catch(() => undefined)
  await folder?.sync().catch(() => undefined)
  await folder?.close().catch(() => undefined)
}
