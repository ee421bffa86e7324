/**
 * The built command line from outside, as a person or a script has it: a child process in a home of its own, or one on a terminal.
 * Nothing is built here; `POSTERN_DIST` names another build than `dist`.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { spawn as spawnOnTerminal } from "@lydell/node-pty"

const DIST = process.env["POSTERN_DIST"] ?? fileURLToPath(new URL("../../dist", import.meta.url))
const BINARY = join(DIST, "bin/postern.js")

/** How a command ended. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The whole of stdout, as one JSON value; the caller says what it expects. */
  json<Shape>(): Shape
}

/** What `--json` prints when a command fails. */
export interface ErrorObject {
  readonly error: { readonly code: string; readonly cause: string; readonly evidence: readonly string[]; readonly next?: string }
}

export interface RunOptions {
  /** Standard input; it is closed after this. */
  readonly stdin?: string | Buffer
  readonly cwd?: string
  /** Variables beside the few that every command gets; undefined takes one away. */
  readonly env?: NodeJS.ProcessEnv
}

export interface Person extends AsyncDisposable {
  /** The home folder; everything of this person lies below it. */
  readonly home: string
  /** A repository below the home, in which commands run unless said otherwise. */
  readonly project: string
  /** Postern's own folder. */
  readonly folder: string
  /** What every command gets: PATH, HOME, POSTERN_HOME, and nothing else of ours. */
  readonly env: NodeJS.ProcessEnv
  /** Runs a command to its end. */
  postern(args: readonly string[], options?: RunOptions): Promise<Outcome>
  /** Starts a command, and leaves its pipes to the caller. */
  start(args: readonly string[], options?: RunOptions): ChildProcessWithoutNullStreams
  /** Starts a command on a terminal, 200 columns wide unless said otherwise. */
  terminal(args: readonly string[], options?: { readonly env?: NodeJS.ProcessEnv; readonly columns?: number }): Terminal
  /** Writes a file; a relative path starts at the project. @returns its absolute path */
  write(path: string, content: string | object): Promise<string>
  /** Reads a file; a relative path starts at Postern's own folder. */
  read(path: string): Promise<string>
  /** Adds servers, one command line each, and fails unless all are added without a word on stderr. */
  added(...commandLines: readonly (readonly string[])[]): Promise<void>
  /** Every file below the home, by its path from there. */
  files(): Promise<ReadonlyMap<string, Buffer>>
}

/** A command on a terminal, as a person sees and types it. */
export interface Terminal {
  readonly pid: number
  /** All that the terminal was sent so far. */
  seen(): string
  /** Waits until a text has been shown. */
  shows(text: string): Promise<void>
  type(text: string): void
  /** The exit code. */
  readonly exited: Promise<number>
}

/** A person with a home, a project and no server yet. */
export async function makePerson(): Promise<Person> {
  const home = await realpath(await mkdtemp(join(tmpdir(), "postern-cli-")))
  const project = join(home, "project")
  const folder = join(home, "postern")
  await mkdir(join(project, ".git"), { recursive: true })
  const env = { PATH: process.env["PATH"], HOME: home, POSTERN_HOME: folder }

  const start: Person["start"] = (args, options = {}) =>
    spawn(process.execPath, [BINARY, ...args], { env: { ...env, ...options.env }, cwd: options.cwd ?? project })

  const person: Person = {
    home,
    project,
    folder,
    env,
    start,
    async postern(args, options = {}) {
      const child = start(args, options)
      child.stdin.on("error", () => undefined) // a command that fails at once reads nothing
      child.stdin.end(options.stdin ?? "")
      const [stdout, stderr, [code]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), exitOf(child)])
      return { code, stdout, stderr, json: () => JSON.parse(stdout) as never } // the caller names the shape
    },
    terminal: (args, options = {}) => openTerminal(args, { env: { ...env, ...options.env }, cwd: project, cols: options.columns ?? 200 }),
    async write(path, content) {
      const file = resolve(project, path)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(file, typeof content === "string" ? content : JSON.stringify(content, undefined, 2))
      return file
    },
    read: (path) => readFile(resolve(folder, path), "utf8"),
    async added(...commandLines) {
      for (const args of commandLines) {
        const { code, stderr } = await person.postern(args)
        if (code !== 0 || stderr !== "") throw new Error(`postern ${args.join(" ")}: exit ${code}\n${stderr}`)
      }
    },
    files: () => filesBelow(home),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true, maxRetries: 5 }),
  }
  return person
}

/** A secret that no other test has, and that no word contains. */
export function newSecret(): string {
  return `tok-${randomBytes(12).toString("hex")}`
}

/**
 * The ways in which a secret can stand in a text or a file: as it is, in base64 (at each of the three offsets that a text around
 * it can give), in hex and in percent form.
 */
export function formsOf(secret: string): readonly string[] {
  const inBase64 = [0, 1, 2].map((offset) =>
    // What a neighbour has a part in is left out.
    Buffer.from(" ".repeat(offset) + secret)
      .toString("base64")
      .slice(offset === 0 ? 0 : 4)
      .slice(0, Math.floor(secret.length / 3) * 4 - 8),
  )
  return [secret, ...inBase64, Buffer.from(secret).toString("hex"), encodeURIComponent(secret)]
}

/** @returns the files of a person in which a secret stands in any of its forms */
export async function whereIs(secret: string, person: Pick<Person, "files">): Promise<readonly string[]> {
  const forms = formsOf(secret)
  return [...(await person.files())].flatMap(([path, bytes]) => (forms.some((form) => bytes.includes(form)) ? [path] : []))
}

/** @returns what every user of the machine can see of a running process: its command line and (its owner) its variables */
export async function visibleOf(pid: number | undefined): Promise<string> {
  return (await Promise.all(["cmdline", "environ"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8")))).join("\n")
}

function openTerminal(args: readonly string[], { env, cwd, cols }: { env: NodeJS.ProcessEnv; cwd: string; cols: number }): Terminal {
  const pty = spawnOnTerminal(process.execPath, [BINARY, ...args], { env: { TERM: "xterm", ...env }, cwd, cols, rows: 50 })
  let seen = ""
  const watchers = new Set<() => void>()
  pty.onData((text) => {
    seen += text
    for (const watcher of watchers) watcher()
  })
  const exited = new Promise<number>((done) => void pty.onExit(({ exitCode }) => done(exitCode)))
  return {
    pid: pty.pid,
    seen: () => seen,
    shows: (text) =>
      new Promise((done, reject) => {
        const look = (): void => {
          if (!seen.includes(text)) return
          watchers.delete(look)
          done()
        }
        watchers.add(look)
        void exited.then(() => reject(new Error(`the command ended without showing "${text}": ${seen}`)))
        look()
      }),
    type: (text) => pty.write(text),
    exited,
  }
}

async function filesBelow(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(files.map(async (file) => [file.slice(folder.length + 1), await readFile(file)] as const)))
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString("utf8")
}

async function exitOf(child: ChildProcessWithoutNullStreams): Promise<[number | null]> {
  return (await once(child, "close")) as [number | null] // the event's own arguments
}
