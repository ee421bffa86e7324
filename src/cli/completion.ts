/** `postern completion SHELL`: what makes a shell complete commands, options and server names. */
import { homedir } from "node:os"
import { dirname, isAbsolute, join } from "node:path"
import { Argument, Command, Option } from "commander"
import { ensureFolder, writeFileAtomic } from "../core/atomic-file.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Environment } from "../core/places.ts"
import { readTextFile } from "../core/read-file.ts"
import { shellWord } from "../core/shell.ts"
import { type Candidate, expectedNext } from "./candidates.ts"
import { SHELLS, type Shell, scripts } from "./completion-scripts.ts"
import type { Context } from "./context.ts"

interface CompletionOptions {
  readonly install?: true
  readonly candidates?: true
  readonly json?: true
}

interface Installed {
  readonly shell: Shell
  readonly file: string
  /** Whether another text stood there before. */
  readonly replaced: boolean
  /** What the shell still needs, for a person; null: nothing. */
  readonly needs: string | null
}

/** `postern completion`: scripts for shells, and the words that they ask for. */
export const completionCommand = (context: Context): Command =>
  new Command("completion")
    .description("print what makes a shell complete commands, options and server names, or install it")
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(SHELLS))
    .option("--install", "write it to where the shell looks for it, for this user")
    .addOption(new Option("--candidates", "what the scripts ask: the words come on standard input, one a line").hideHelp())
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExamples:\n  $ postern completion bash --install\n  $ source <(postern completion zsh)")
    .action(async (shell: Shell, options: CompletionOptions, command: Command) => {
      if (options.candidates) return printCandidates(shell, command.parent ?? command, context)
      if (options.install) return context.print(await install(shell, context.env), options.json, tellInstalled)
      if (options.json) return context.print({ shell, script: scripts[shell] }, true, () => "")
      context.stdout.write(scripts[shell])
    })

/** A name that every shell takes for one plain word: what a project file says must not become a command when it is completed. */
const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/
const MOST_TYPED_BYTES = 64 * 1024

async function printCandidates(shell: Shell, program: Command, context: Context): Promise<void> {
  const words = await readTyped(context)
  const expected = expectedNext(program, words)
  if (expected.kind === "files") {
    context.stdout.write("files\n")
    return
  }
  const candidates = expected.kind === "words" ? expected.candidates : await serverNames(expected, context)
  // bash takes every word that it is given; the others choose among them, each in its own way.
  const typed = words.at(-1) === "=" ? "" : (words.at(-1) ?? "")
  const fitting = shell === "bash" ? candidates.filter(({ word }) => word.startsWith(typed)) : candidates
  const lines = fitting.map(({ word, about }) => (about === "" ? word : `${word}\t${about}`))
  context.stdout.write(`${["words", ...lines].join("\n")}\n`)
}

async function readTyped({ stdin }: Context): Promise<readonly string[]> {
  let text = ""
  for await (const chunk of stdin) {
    text += String(chunk)
    if (text.length > MOST_TYPED_BYTES) return []
  }
  return text.replace(/\n$/, "").split("\n")
}

/** From the configuration alone: no vault is opened, no server is asked. A configuration that cannot be read has no names. */
async function serverNames(
  { config, prefix }: { readonly config: string | undefined; readonly prefix: string },
  { cwd, env, places }: Context,
): Promise<readonly Candidate[]> {
  const { loadConfiguration } = await import("../config/files.ts")
  try {
    const { servers } = await loadConfiguration({ cwd, env, places, ...(config === undefined ? {} : { configFile: config }) })
    const plain = servers.filter(({ name }) => PLAIN_NAME.test(name))
    return plain.map(({ name, transport }) => ({ word: prefix + name, about: `${transport} server` }))
  } catch (error) {
    if (error instanceof PosternError) return []
    throw error
  }
}

async function install(shell: Shell, env: Environment): Promise<Installed> {
  const file = placeOf(shell, env)
  const before = await readTextFile(file)
  await ensureFolder(dirname(file))
  await writeFileAtomic(file, scripts[shell], { mode: 0o644, followSymlink: true })
  return { shell, file, replaced: before !== undefined && before !== scripts[shell], needs: needsOf(shell, file, env) }
}

/** Where each shell looks by itself (bash-completion's README, fish's documentation), or where people put it by custom (zsh). */
function placeOf(shell: Shell, env: Environment): string {
  const home = env["HOME"] || homedir()
  const folder = (variable: string, fallback: string): string => {
    const value = env[variable]
    return value !== undefined && isAbsolute(value) ? value : join(home, fallback)
  }
  if (shell === "zsh") return join(home, ".zfunc", "_postern")
  if (shell === "fish") return join(folder("XDG_CONFIG_HOME", ".config"), "fish", "completions", "postern.fish")
  const data = join(folder("XDG_DATA_HOME", ".local/share"), "bash-completion")
  return join(env["BASH_COMPLETION_USER_DIR"] || data, "completions", "postern")
}

function needsOf(shell: Shell, file: string, env: Environment): string | null {
  if (shell === "fish") return null
  if (shell === "bash") {
    return `new shells load it where the package bash-completion is installed; without that, add to ~/.bashrc: source ${shellWord(file)}`
  }
  const settings = `${env["ZDOTDIR"] || "~"}/.zshrc`
  return `add to ${settings}, before compinit is called: fpath=(${shellWord(dirname(file))} $fpath); if nothing calls it there, add: autoload -Uz compinit && compinit`
}

function tellInstalled({ shell, file, replaced, needs }: Installed): string {
  return [
    `The completion for ${shell} is in ${file} now${replaced ? "; it took the place of another one" : ""}.`,
    needs === null ? `  ${shell} reads it by itself.` : `  next: ${needs}`,
  ].join("\n")
}
