/** What can be wrong with a command line. */
import { defineDiagnosis } from "../core/diagnosis.ts"
import { escapeControls, quote } from "../core/redact.ts"
import { posternCommand, shellWord } from "../core/shell.ts"

/** The command line says what Postern cannot do. */
export const usageWrong = defineDiagnosis({
  code: "usage-wrong",
  about: "The command line does not say what Postern can do: an unknown command or option, a missing or a surplus word, a wrong value.",
  kind: "usage",
  tell: ({ problem, help }: { problem: string; help: string }) => ({ cause: problem, evidence: [], next: help }),
})

/** More came on standard input than is taken. */
export const inputTooLong = defineDiagnosis({
  code: "input-too-long",
  about: "More came on standard input than is taken: 64 KiB for a secret, 64 MiB for JSON.",
  kind: "usage",
  tell: ({ mostBytes }: { mostBytes: number }) => ({
    cause: `What came on standard input is longer than ${mostBytes} bytes.`,
    evidence: ["nothing was changed"],
  }),
})

/** A person said no. */
export const declined = defineDiagnosis({
  code: "declined",
  about: "A person was asked and said no. Nothing was changed.",
  kind: "guard",
  tell: ({ what }: { what: string }) => ({ cause: `Not done: ${what} was declined.`, evidence: ["nothing was changed"] }),
})

/** Told to end before the work was done. */
export const interrupted = defineDiagnosis({
  code: "interrupted",
  about: "The command was interrupted before it had finished.",
  tell: () => ({ cause: "Interrupted.", evidence: [] }),
})

/** The work is done, and its result could not be written. */
export const outputLost = defineDiagnosis({
  code: "output-lost",
  about: "The command did its work, and its result could not be written to standard output: a full disk, or a device that takes nothing.",
  tell: ({ errno }: { errno: string }) => ({
    cause: `The result could not be written to standard output (${errno}).`,
    evidence: ["the command itself has done its work"],
  }),
})

/** The tool ran, and says that it failed. */
export const toolFailed = defineDiagnosis({
  code: "tool-failed",
  about: "The tool ran and says itself that it failed (`isError`).",
  tell: ({ server, tool, said }: { server: string; tool: string; said: string }) => ({
    cause: `The tool ${quote(tool, 80)} says that it failed.`,
    evidence: [quote(said, 1000)],
    next: `${posternCommand("tools", server, "--json")}, which shows what each tool takes`,
  }),
})

/** There is no log at that path. */
export const logMissing = defineDiagnosis({
  code: "log-missing",
  about:
    "`postern logs FILE` was given a file that is not there. A bridge writes a log only where it was started with `--log FILE`; by itself it keeps none.",
  tell: ({ file, server }: { file: string; server: string | undefined }) => ({
    cause: server === undefined ? "There is no such log." : `"${quote(server)}" is a server, and its bridge keeps no log by itself.`,
    evidence: [
      ...(server === undefined ? [`file: ${escapeControls(file)}`] : []),
      "a bridge writes a log where it was started with --log FILE",
    ],
    next: `${posternCommand("run", server ?? "NAME", `--log ${shellWord(file)}`)}, in the configuration of the client`,
  }),
})

/** The file is no log of ours. */
export const logUnreadable = defineDiagnosis({
  code: "log-unreadable",
  about: "The file holds lines, and none of them is an event as `postern run NAME --log FILE` writes them: another file was meant.",
  tell: ({ file }: { file: string }) => ({
    cause: "The file holds no event of Postern.",
    evidence: [`file: ${escapeControls(file)}`],
    next: "name the file that the bridge was given with --log",
  }),
})
