/** The servers that are configured where a program runs, for code: the surroundings have this process for their default. */
import { type Environment, findPlaces } from "../core/places.ts"
import { type Configuration, loadConfiguration } from "./files.ts"

/** Where one looks for servers. */
export interface LoadOptions {
  /** The folder that decides which project file counts; the working folder of this process unless said. */
  readonly cwd?: string
  /** The variables of this process unless said. `POSTERN_HOME` moves Postern's own files. */
  readonly env?: Environment
  /** Read this file of the `mcpServers` shape and no other; naming it is the approval. A relative path starts at `cwd`. */
  readonly configFile?: string
}

/**
 * Reads the configured servers, as `postern list` does. Nothing is expanded, sent or started.
 *
 * @returns the servers, one winner a name; a server of a project file that nobody approved has `trusted: false` and cannot be opened
 * @throws {PosternError} `config-missing`, `config-unreadable`, `config-invalid` or `trust-unreadable` if a whole file cannot be used
 */
export function loadServers({ cwd = process.cwd(), env = process.env, configFile }: LoadOptions = {}): Promise<Configuration> {
  return loadConfiguration({ cwd, env, places: findPlaces(env), ...(configFile === undefined ? {} : { configFile }) })
}
