/** A folder of one test: a home, a project in it, and Postern's own places. */
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type Environment, findPlaces, type Places } from "../../src/core/places.ts"

export interface TestFolder extends AsyncDisposable {
  readonly home: string
  /** A repository: it has a `.git`. */
  readonly project: string
  readonly env: Environment
  readonly places: Places
  /** Writes a file; a relative path starts at the project. @returns its absolute path */
  write(path: string, content: string | object): Promise<string>
  read(path: string): Promise<string>
}

export async function makeFolder(): Promise<TestFolder> {
  const home = await realpath(await mkdtemp(join(tmpdir(), "postern-config-")))
  const project = join(home, "work", "project")
  await mkdir(join(project, ".git"), { recursive: true })
  const env = { HOME: home }
  return {
    home,
    project,
    env,
    places: findPlaces(env, "linux"),
    async write(path, content) {
      const file = join(path.startsWith("/") ? "/" : project, path)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(file, typeof content === "string" ? content : JSON.stringify(content, undefined, 2))
      return file
    },
    read: (path) => readFile(path, "utf8"),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true, maxRetries: 5 }),
  }
}
