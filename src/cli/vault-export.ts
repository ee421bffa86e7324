/** `postern vault export FILE`: all secrets for another machine, sealed with a passphrase. */
import { basename, resolve } from "node:path"
import { Command } from "commander"
import { writeFileAtomic } from "../core/atomic-file.ts"
import { PosternError } from "../core/diagnosis.ts"
import { fileStamp } from "../core/read-file.ts"
import { shellWord } from "../core/shell.ts"
import type { VaultExport } from "../vault/vault.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"

interface Exported extends Omit<VaultExport, "text"> {
  readonly file: string
}

/** What the help of `export` and `import` says of it. */
export const EXPORT_PASSPHRASE =
  "The passphrase of the file is asked for, or read from the private file (mode 0600) that POSTERN_EXPORT_PASSPHRASE_FILE names."

/** `postern vault export`: all secrets in one encrypted file. */
export const exportCommand = (context: Context): Command =>
  new Command("export")
    .description("write all secrets into a file for another machine, encrypted with a passphrase of its own")
    .argument("<file>", "the file to make")
    .option("--json", "print the result as JSON")
    .addHelpText("after", `\nExample:\n  $ postern vault export secrets.postern\n\n${EXPORT_PASSPHRASE}`)
    .action(async (name: string, options: { json?: true }) => {
      const file = resolve(context.cwd, name)
      if (fileStamp(file) !== undefined) {
        throw new PosternError(usageWrong({ problem: `${file} is there already.`, help: "give the name of a new file" }))
      }
      const { vault } = await context.tools()
      const { text, key, names } = await vault.exportAll()
      await writeFileAtomic(file, text)
      const result: Exported = { file, key, names }
      context.print(result, options.json, tell)
    })

function tell({ file, key, names }: Exported): string {
  const count = names.length === 1 ? "1 secret is" : `${names.length} secrets are`
  return [
    `${count} in ${file}, encrypted with ${key}: ${names.join(", ")}.`,
    "  Usable by whoever has the file and that passphrase, for as long as the secrets are valid. The servers' entries are not in it.",
    `  next: on the other machine, postern vault import ${shellWord(basename(file))}`,
  ].join("\n")
}
