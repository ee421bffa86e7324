/** What Postern knows of another client's configuration, where it differs from its own. One file a client. */
import type { Environment } from "../../core/places.ts"

/** What another client writes into entries, and which files it does not read. */
export interface ForeignClient {
  readonly name: string
  /** Keys of an entry that change nothing about who is reached and how. */
  readonly harmlessKeys: readonly string[]
  /** Keys of an entry that would change something, each with what happens instead: read after "is not used: ". */
  readonly unusedKeys: Readonly<Record<string, string>>
  /**
   * @param file - absolute path
   * @returns the files that the client reads instead, when it does not look for servers in this one
   */
  readsInstead?(file: string, env: Environment): string | undefined
}
