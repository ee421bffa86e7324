/** A browser with a person before it, as a program that `BROWSER` can name. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFile, chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** One time that the browser was started. */
export interface Walk {
  /** The address that it was given. */
  readonly opened: string
  /** Every address that it asked for, in order. */
  readonly visited: readonly string[]
  /** The last page. */
  readonly page?: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  /** Why it came to no last page. */
  readonly failed?: string
}

export interface BrowserPerson extends AsyncDisposable {
  /** For the environment of a command: `BROWSER`. */
  readonly env: { readonly BROWSER: string }
  /** Starts it as a program would. @returns what it met */
  walk(url: URL): Promise<Walk>
  /** Every address that it was started with so far. */
  opened(): Promise<readonly string[]>
  /** Waits until it has ended so many walks. @returns what it met on all that have ended */
  walks(atLeast?: number): Promise<readonly Walk[]>
  /** Behaves otherwise from now on. */
  becomes(manners: Manners): Promise<void>
}

/** How the person behaves: the button that is pressed where one can choose, and who they say they are. */
export interface Manners {
  /** `nothing`: the browser is opened, and nobody looks at it. */
  readonly decision?: "allow" | "deny" | "nothing"
  readonly login?: string
}

/** Makes the program in a folder of its own. */
export async function makeBrowser(manners: Manners = {}): Promise<BrowserPerson> {
  const folder = await mkdtemp(join(tmpdir(), "postern-browser-"))
  const program = join(folder, "browser.mjs")
  const log = join(folder, "walks.jsonl")
  const becomes = ({ decision = "allow", login = "alice" }: Manners): Promise<void> =>
    writeFile(join(folder, "person.json"), JSON.stringify({ decision, login, log }))
  await copyFile(fileURLToPath(new URL("browser-person.mjs", import.meta.url)), program)
  await chmod(program, 0o700)
  await Promise.all([becomes(manners), writeFile(log, ""), writeFile(`${log}.opened`, "")])
  const walks = async (atLeast = 0): Promise<readonly Walk[]> => {
    for (;;) {
      const lines = (await readFile(log, "utf8")).split("\n").filter(Boolean)
      if (lines.length >= atLeast) return lines.map((line) => JSON.parse(line) as Walk) // the program's own format
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return {
    env: { BROWSER: program },
    async walk(url) {
      const [code] = (await once(spawn(program, [url.href], { stdio: ["ignore", "ignore", "inherit"] }), "exit")) as [number | null]
      const last = (await walks()).findLast((walk) => walk.opened === url.href)
      if (code !== 0 || !last) throw new Error(`the browser ended with ${code}`)
      return last
    },
    opened: async () => (await readFile(`${log}.opened`, "utf8")).split("\n").filter(Boolean),
    walks,
    becomes,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}
