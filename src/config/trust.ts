/**
 * Which project files somebody has approved, and with which content.
 *
 * A project file comes with a clone. Until its owner has seen all of it and said yes, nothing that it says is sent, started or
 * expanded. The record lies among Postern's own files, by the real path of the project file: a project cannot approve itself.
 */
import { realpath } from "node:fs/promises"
import { dirname } from "node:path"
import * as v from "valibot"
import { ensurePrivateFolder, writeFileAtomic } from "../core/atomic-file.ts"
import type { Clock } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import { lockFile } from "../core/file-lock.ts"
import { isObject } from "../core/json.ts"
import { readPrivateFile } from "../core/read-file.ts"
import { configMissing, projectChanged, trustUnreadable } from "./diagnoses.ts"
import { type ConfigDocument, readDocument } from "./document.ts"
import { digestProject } from "./project-digest.ts"

/** `changed`: approved once, with another content. */
export type TrustState = "trusted" | "new" | "changed"

/** Which project files were approved, and with which content. */
export interface TrustStore {
  isTrusted(file: string): Promise<boolean>
  /**
   * Remembers that somebody has seen a project file, and what it names, and said yes.
   *
   * @param digest - of what was shown (`describeProject`)
   * @throws {PosternError} `project-changed` if it is not what is there now; `config-missing`; `trust-unreadable`
   */
  approve(file: string, digest: string, signal: AbortSignal): Promise<void>
  /** @returns whether it was approved before */
  revoke(file: string, signal: AbortSignal): Promise<boolean>
}

const VERSION = 1
const recordSchema = v.object({
  version: v.literal(VERSION),
  // valibot's record takes a list too.
  projects: v.pipe(v.custom<object>(isObject), v.record(v.string(), v.object({ digest: v.string(), approvedAt: v.string() }))),
})
type TrustRecord = v.InferOutput<typeof recordSchema>

/**
 * @param path - of the record (`Places.trust`); it is made with the first approval
 */
export function openTrustStore(path: string, clock: Clock): TrustStore {
  const change = async (edit: (record: TrustRecord) => TrustRecord["projects"], signal: AbortSignal): Promise<void> => {
    await ensurePrivateFolder(dirname(path))
    await using lock = await lockFile(path, { clock }, signal)
    const projects = edit(await readRecord(path))
    await writeFileAtomic(path, `${JSON.stringify({ version: VERSION, projects }, undefined, 2)}\n`, {
      beforeRename: () => lock.assertHeld(),
    })
  }

  return {
    isTrusted: async (file) => (await trustStateOf(await readProject(file), path)) === "trusted",

    async approve(file, digest, signal) {
      const document = await readProject(file)
      if ((await digestProject(document)).digest !== digest) throw new PosternError(projectChanged({ file }))
      const key = await realpath(file)
      const approval = { digest, approvedAt: new Date(clock.now()).toISOString() }
      await change(({ projects }) => ({ ...projects, [key]: approval }), signal)
    },

    async revoke(file, signal) {
      const key = await realName(file)
      let wasApproved = false
      await change(({ projects }) => {
        wasApproved = Object.hasOwn(projects, key)
        return Object.fromEntries(Object.entries(projects).filter(([name]) => name !== key))
      }, signal)
      return wasApproved
    },
  }
}

/**
 * @param document - as it was read: the decision is about this text, whatever the file says a moment later
 * @param trustFile - the record
 * @throws {PosternError} `trust-unreadable`; `project-too-large`
 */
export async function trustStateOf(document: ConfigDocument, trustFile: string): Promise<TrustState> {
  const { projects } = await readRecord(trustFile)
  const key = await realName(document.file)
  const approval = Object.hasOwn(projects, key) ? projects[key] : undefined
  if (approval === undefined) return "new"
  return (await digestProject(document)).digest === approval.digest ? "trusted" : "changed"
}

async function readProject(file: string): Promise<ConfigDocument> {
  const document = await readDocument(file)
  if (document === undefined) throw new PosternError(configMissing({ file }))
  return document
}

/** A project file that is gone can still be revoked, by the name that it had. */
async function realName(file: string): Promise<string> {
  try {
    return await realpath(file)
  } catch {
    return file
  }
}

async function readRecord(path: string): Promise<TrustRecord> {
  const bytes = await readPrivateFile(path)
  if (bytes === undefined) return { version: VERSION, projects: {} }
  const record = v.safeParse(recordSchema, parse(path, bytes.toString("utf8")))
  if (record.success) return record.output
  throw new PosternError(trustUnreadable({ file: path, problem: "another version of Postern wrote it, or it was changed by hand" }))
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PosternError(trustUnreadable({ file: path, problem: "it is no JSON" }), { cause: error })
  }
}
