/** The key lies in a file of its own, apart from the vault: 32 random bytes in base64 and a line feed. */
import { randomBytes } from "node:crypto"
import { dirname } from "node:path"
import { createFileExclusive, ensurePrivateFolder, removeFile } from "../../core/atomic-file.ts"
import { ABANDONED_AGE_MS, removeLeftovers } from "../../core/leftovers.ts"
import { readPrivateFile } from "../../core/read-file.ts"
import type { KeySource, MasterKey } from "./key-source.ts"
import { KEY_BYTES, decodeKey } from "./key-text.ts"

/**
 * The key source that needs neither a keychain nor a person.
 *
 * @param path - the key file; it and its folder are private (0600 in 0700), or they are not used
 */
export function keyFile(path: string): KeySource {
  const mend = `put the right key back in its place (${path})`
  const load = async (): Promise<MasterKey | undefined> => {
    const bytes = await readPrivateFile(path, { inPrivateFolder: true })
    return bytes && decodeKey(bytes.toString("latin1").trimEnd(), { place: path, mend })
  }
  const verify = (): Promise<void> => ensurePrivateFolder(dirname(path))

  return {
    name: "key-file",
    place: path,
    protectsFrom: ["an accidental commit, copy or backup of the vault without the key file"],
    doesNotProtectFrom: [
      "other programs of this user",
      "administrators of this machine",
      "a stolen disk that is not encrypted",
      "a backup that holds both files",
    ],
    mend,
    verify,
    async create() {
      await verify()
      await removeLeftovers(path, ABANDONED_AGE_MS)
      const made = randomBytes(KEY_BYTES)
      // Never over a key that is there: another vault may depend on it, or a first write that was interrupted after this step.
      const isMade = await createFileExclusive(path, `${made.toString("base64")}\n`, { durable: true })
      return { key: isMade ? made : ((await load()) ?? made), params: {} }
    },
    load,
    remove: () => removeFile(path),
  }
}
