/** What may come next on a command line, read from the definitions of the commands: a command that is added is known here at once. */
import type { Argument, Command, Option } from "commander"

/** One word that may come next. */
export interface Candidate {
  readonly word: string
  /** A few words for a person; no secret. */
  readonly about: string
}

/** What the word that is being typed may become. */
export type Expected =
  | { readonly kind: "words"; readonly candidates: readonly Candidate[] }
  | { readonly kind: "files" }
  /** The name of a server, of the file that `--config` names if it was given. */
  | { readonly kind: "servers"; readonly config: string | undefined; readonly prefix: string }

/** How the arguments and options that take the name of a server are described, everywhere. */
const ABOUT_SERVERS = /^the server\b/

/**
 * Says what may come next.
 *
 * @param program - with all commands
 * @param words - what stands behind the word `postern`; the last one is being typed, and may be empty
 */
export function expectedNext(program: Command, words: readonly string[]): Expected {
  const parted = partAtEquals(words)
  const typed = parted.at(-1) ?? ""
  const { command, position, config, option, isOver } = walk(program, parted.slice(0, -1))
  if (isOver) return { kind: "files" } // the command line of a local server
  if (option !== undefined) return expectedValue(option, config)

  const [, long = "", value] = /^(--[\w-]+)=(.*)$/s.exec(typed) ?? []
  const named = value === undefined ? undefined : findOption(command, long)
  if (named !== undefined) return expectedValue(named, config, `${long}=`)
  if (typed.startsWith("-")) return { kind: "words", candidates: optionsOf(command) }
  if (command.commands.length > 0 && position === 0) return { kind: "words", candidates: commandsOf(command) }
  const last = command.registeredArguments.at(-1)
  const argument = command.registeredArguments[position] ?? (last?.variadic ? last : undefined)
  return argument === undefined ? NOTHING : expectedValue(argument, config)
}

const NOTHING: Expected = { kind: "words", candidates: [] }

interface Walked {
  readonly command: Command
  /** How many arguments of the command stand there already. */
  readonly position: number
  readonly config: string | undefined
  /** The option whose value comes next. */
  readonly option: Option | undefined
  /** After `--`. */
  readonly isOver: boolean
}

function walk(program: Command, words: readonly string[]): Walked {
  let command = program
  let position = 0
  let config: string | undefined
  let option: Option | undefined
  for (const word of words) {
    if (option !== undefined) {
      if (option.long === "--config") config = word
      option = undefined
    } else if (word === "--") {
      return { command, position, config, option, isOver: true }
    } else if (word.startsWith("-") && word !== "-") {
      const [name = "", value] = word.split("=", 2)
      const found = findOption(command, name)
      if (found?.long === "--config") config = value
      option = value === undefined && (found?.required || found?.optional) ? found : undefined
    } else {
      const inner = position === 0 ? command.commands.find((one) => one.name() === word) : undefined
      if (inner === undefined) position++
      command = inner ?? command
    }
  }
  return { command, position, config, option, isOver: false }
}

/** bash parts `--scope=user` into three words, the others do not. */
function partAtEquals(words: readonly string[]): readonly string[] {
  const isSign = (at: number): boolean => words[at] === "=" && (words[at - 1]?.startsWith("--") ?? false)
  const kept = words.filter((_, at) => !isSign(at))
  return isSign(words.length - 1) ? [...kept, ""] : kept
}

function expectedValue(place: Argument | Option, config: string | undefined, prefix = ""): Expected {
  if (place.argChoices !== undefined)
    return { kind: "words", candidates: place.argChoices.map((choice) => ({ word: prefix + choice, about: "" })) }
  if (ABOUT_SERVERS.test(place.description)) return { kind: "servers", config, prefix }
  return nameOf(place) === "file" ? { kind: "files" } : NOTHING
}

/** What stands between the brackets of its definition. */
function nameOf(place: Argument | Option): string {
  return "flags" in place ? (/[<[]([\w-]+)/.exec(place.flags)?.[1] ?? "") : place.name()
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find((option) => option.long === flag || option.short === flag)
}

const optionsOf = (command: Command): readonly Candidate[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description }) => (typeof long === "string" ? [{ word: long, about: description }] : []))

const commandsOf = (command: Command): readonly Candidate[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ word: one.name(), about: one.description() }))
