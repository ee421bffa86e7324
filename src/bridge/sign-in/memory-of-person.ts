/** A memory that belongs to whoever is signed in: what the server showed to somebody else is not remembered (S19). */
import { createHash } from "node:crypto"
import type { Authenticator } from "../../auth/method.ts"
import type { MemoryStore } from "../memory.ts"

const OWNER = "owner"
/** Results are kept by their method, and all methods of results but one have a slash in their name. What is kept beside them is the server's. */
const isResult = (key: string): boolean => key.includes("/") || key.startsWith("initialize")

/**
 * Wraps a store. Of who is signed in only a hash is kept.
 *
 * @param authenticator - says who that is
 */
export function memoryOfPerson(store: MemoryStore, authenticator: Pick<Authenticator, "identity">): MemoryStore {
  const owner = async (): Promise<string> =>
    createHash("sha256")
      .update(await whoIs(authenticator))
      .digest("hex")
      .slice(0, 16)
  let writing = Promise.resolve()

  const keep = async (key: string, text: string | undefined): Promise<void> => {
    const [now, remembered] = await Promise.all([owner(), store.recall()])
    if (remembered[OWNER] !== now) {
      for (const other of Object.keys(remembered).filter(isResult)) store.keep(other, undefined)
      store.keep(OWNER, now)
    }
    store.keep(key, text)
  }

  return {
    async recall() {
      const [now, remembered] = await Promise.all([owner(), store.recall()])
      return remembered[OWNER] === now ? remembered : {}
    },
    keep(key, text) {
      writing = writing.then(() => keep(key, text))
    },
    async written() {
      await writing
      await store.written()
    },
  }
}

/** Who is signed in, as one text; it is never shown. */
export async function whoIs(authenticator: Pick<Authenticator, "identity">): Promise<string> {
  try {
    const { subject, account } = await authenticator.identity()
    return JSON.stringify([subject, account])
  } catch {
    return "unknown" // a vault that cannot be read now: the next request tells why
  }
}
