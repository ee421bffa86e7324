/** Words and commands that a person pastes into a shell: names come from files of strangers, and must not become commands there. */
import { inOneLine } from "./redact.ts"

const LONGEST_WORD = 4096

/** @returns the text as one word of a shell; one with a line break or a control character as `$'…'`, which shows it and is the same word */
export function shellWord(text: string): string {
  if (/^[\w@%+:,./-][\w@%+=:,./-]*$/.test(text)) return text
  const word = text.slice(0, LONGEST_WORD)
  if (word === inOneLine(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  return `$'${inOneLine(word.replace(/[\\']/g, "\\$&"))}'`
}

/**
 * A command of Postern that is about something with a name.
 *
 * @param verb - for example `rotate`
 * @param name - of a server, whatever somebody has called it; one that begins with a dash is no option
 * @param options - as they are written, their values as words of a shell
 */
export function posternCommand(verb: string, name: string, options = ""): string {
  const given = options === "" ? "" : ` ${options}`
  return name.startsWith("-") ? `postern ${verb}${given} -- ${shellWord(name)}` : `postern ${verb} ${shellWord(name)}${given}`
}
