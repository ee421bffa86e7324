/** Why a file cannot be read or written. */
import { PosternError, defineDiagnosis } from "./diagnosis.ts"
import { shellWord } from "./shell.ts"

/** A file or folder that somebody else could read or replace; it is not used. */
export const fileNotPrivate = defineDiagnosis({
  code: "file-not-private",
  about:
    "A file or folder that holds secrets is a symbolic link, not what it should be, owned by somebody else, or open to other users. Postern does not use it: who can write there could replace what is in it, who can read there may have a copy. If other users could read a secret, replace the secret too.",
  kind: "guard",
  tell: ({ path, fault, next }: { path: string; fault: string; next: string }) => ({
    cause: `${path} is not private: ${fault}.`,
    evidence: [`path: ${path}`],
    next,
  }),
})

/** A file that is there and cannot be read. */
export const fileUnreadable = defineDiagnosis({
  code: "file-unreadable",
  about: "A file is there and cannot be read: no permission, a fault of the disk, or not a text file of a sensible size.",
  tell: ({ path, fault }: { path: string; fault: string }) => ({
    cause: `${path} cannot be read: ${fault}.`,
    evidence: [`path: ${path}`],
    next: `ls -ld ${shellWord(path)}`,
  }),
})

/** A write that the system refuses; what stood there is unchanged. */
export const notWritable = defineDiagnosis({
  code: "not-writable",
  about:
    "A file could not be written: the folder or the file system is read-only, belongs to somebody else, or a part of the path is not a folder. What stood there before is unchanged.",
  tell: ({ path, fault }: { path: string; fault: string }) => ({
    cause: `${path} cannot be written: ${fault}.`,
    evidence: [`path: ${path}`, "what stood there before is unchanged"],
    next: "make the folder writable; for Postern's own files, POSTERN_HOME may name another one",
  }),
})

/** A write for which there is no room; what stood there is unchanged. */
export const diskFull = defineDiagnosis({
  code: "disk-full",
  about: "A file could not be written because the disk, or the user's share of it, is full. What stood there before is unchanged.",
  tell: ({ path, fault }: { path: string; fault: string }) => ({
    cause: `${path} cannot be written: ${fault}.`,
    evidence: [`path: ${path}`, "what stood there before is unchanged"],
    next: "make room on the disk, and run the command again",
  }),
})

/** @returns whether a failed call of the system gave this code, for example `ENOENT` */
export function hasErrno(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && codes.includes(String(error.code))
}

/** Tells a failed read. What is not a failure of the system (a bug of ours, a diagnosis already) comes back as it is. */
export function readFailure(path: string, error: unknown): unknown {
  return isSystemError(error) ? new PosternError(fileUnreadable({ path, fault: sayErrno(error) }), { cause: error }) : error
}

/** Tells a failed write. What is not a failure of the system comes back as it is. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!isSystemError(error)) return error
  const definition = hasErrno(error, "ENOSPC", "EDQUOT") ? diskFull : notWritable
  return new PosternError(definition({ path, fault: sayErrno(error) }), { cause: error })
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error
}

const errnoWords: Readonly<Record<string, string>> = {
  ENOENT: "the folder does not exist",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "the operation is not permitted",
  ENOTDIR: "a part of the path is not a folder",
  ELOOP: "too many symbolic links",
  EISDIR: "it is a folder",
  EIO: "the disk reports a fault",
  ENAMETOOLONG: "the path is too long",
}

function sayErrno(error: NodeJS.ErrnoException): string {
  const code = error.code ?? "unknown"
  const words = errnoWords[code]
  return words === undefined ? code : `${words} (${code})`
}
