/** Which folder one stands in the project of. */
import { lstat, realpath } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import type { Environment } from "../core/places.ts"

/** The name of a project's own file. */
export const PROJECT_FILE = ".postern.json"

/** The project file that counts where one stands, and the folders above. */
export interface Project {
  /** The folder one stands in, then those above it that belong to the same project. */
  readonly folders: readonly string[]
  /** The nearest `.postern.json`, if there is one. */
  readonly file: string | undefined
  /** Where a new `.postern.json` belongs: beside the present one, else the root of the repository, else the folder one stands in. */
  readonly root: string
  /** Whether one stands in the home folder, in which no project file is looked for. */
  readonly isHome: boolean
}

/**
 * Looks upwards from a folder: to the root of the repository, and never as far as the home folder. What lies in a home folder
 * is no project, and a file there would speak for all of them.
 */
export async function findProject(cwd: string, env: Environment): Promise<Project> {
  const start = resolve(cwd)
  const homes = await homeFolders(env)
  const folders = [start]
  let repository: string | undefined
  let file: string | undefined
  for (let folder = start; !homes.has(folder); folder = dirname(folder)) {
    if (folder !== start) folders.push(folder)
    if (file === undefined && (await exists(join(folder, PROJECT_FILE)))) file = join(folder, PROJECT_FILE)
    if (await exists(join(folder, ".git"))) repository = folder
    if (repository !== undefined || dirname(folder) === folder) break
  }
  return { folders, file, root: file === undefined ? (repository ?? start) : dirname(file), isHome: homes.has(start) }
}

async function homeFolders(env: Environment): Promise<ReadonlySet<string>> {
  const home = resolve(env["HOME"] || env["USERPROFILE"] || homedir())
  try {
    return new Set([home, await realpath(home)])
  } catch {
    return new Set([home]) // a home that is not there has no other name
  }
}

/** A link to nowhere, or a file that cannot be read, is there too: whoever reads it will say what is wrong with it. */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}
