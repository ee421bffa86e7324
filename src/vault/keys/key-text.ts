/** A key as text: 32 bytes in base64. So it lies in a key file and in a keychain. */
import { PosternError } from "../../core/diagnosis.ts"
import { vaultKeyWrong } from "../diagnoses.ts"
import type { KeySource, MasterKey } from "./key-source.ts"

/** The length of a key: AES-256. */
export const KEY_BYTES = 32

/**
 * @param text - what the store has under the key's name
 * @throws {PosternError} `vault-key-wrong` if it is no key
 */
export function decodeKey(text: string, { place, mend }: Pick<KeySource, "place" | "mend">): MasterKey {
  const key = Buffer.from(text, "base64")
  // `Buffer.from` skips what is not base64, so only what comes out the same again was whole.
  if (key.length === KEY_BYTES && key.toString("base64") === text) return key
  throw new PosternError(vaultKeyWrong({ place, fault: "what is there is not 32 bytes in base64", mend }))
}
