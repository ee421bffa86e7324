/** The key lies in a file of its own, apart from the vault: 32 random bytes in base64 and a line feed. */
import { randomBytes } from "node:crypto"
import { dirname } from "node:path"
import { createFileExclusive, ensurePrivateFolder, readPrivateFile } from "../../core/atomic-file.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { vaultKeyWrong } from "../diagnoses.ts"
import type { KeySource, MasterKey } from "./key-source.ts"

const KEY_BYTES = 32

/**
 * The key source that needs neither a keychain nor a person.
 *
 * @param path - the key file; it and its folder are private (0600 in 0700), or they are not used
 */
export function keyFile(path: string): KeySource {
  const load = async (): Promise<MasterKey | undefined> => {
    const bytes = await readPrivateFile(path)
    return bytes === undefined ? undefined : decodeKey(path, bytes)
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
    verify,
    async create() {
      await verify()
      const made = randomBytes(KEY_BYTES)
      // Never over a key that is there: another vault may depend on it, or a first write that was interrupted after this step.
      const isMade = await createFileExclusive(path, `${made.toString("base64")}\n`, { durable: true })
      return { key: isMade ? made : ((await load()) ?? made), params: {} }
    },
    load,
  }
}

function decodeKey(path: string, bytes: Buffer): MasterKey {
  const text = bytes.toString("latin1").trimEnd()
  const key = Buffer.from(text, "base64")
  // `Buffer.from` skips what is not base64, so only what comes out the same again was whole.
  if (key.length === KEY_BYTES && key.toString("base64") === text) return key
  throw new PosternError(vaultKeyWrong({ place: path, fault: "the file does not hold 32 bytes in base64" }))
}
