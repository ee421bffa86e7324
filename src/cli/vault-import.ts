/** `postern vault import FILE`: the secrets of another machine, beside those that are here. */
import { resolve } from "node:path"
import { Command } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { fileUnreadable } from "../core/file-diagnoses.ts"
import { readTextFile } from "../core/read-file.ts"
import { shellWord } from "../core/shell.ts"
import type { VaultImport } from "../vault/vault.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES } from "./exit.ts"
import { usableBy } from "./kept-secret.ts"
import { EXPORT_PASSPHRASE } from "./vault-export.ts"

interface Imported extends VaultImport {
  readonly file: string
  readonly vault: string
  readonly usableBy: string
}

/** `postern vault import`: takes an export in. */
export const importCommand = (context: Context): Command =>
  new Command("import")
    .description("take in the secrets of a file that `postern vault export` wrote; none that is here is overwritten unasked")
    .argument("<file>", "the file")
    .option("--replace", "overwrite a secret that differs from the one in the file")
    .option("--json", "print the result as JSON")
    .addHelpText("after", `\nExample:\n  $ postern vault import secrets.postern\n\n${EXPORT_PASSPHRASE}`)
    .action(async (name: string, options: { replace?: true; json?: true }) => {
      const path = resolve(context.cwd, name)
      const text = await readTextFile(path)
      if (text === undefined) throw new PosternError(fileUnreadable({ path, fault: "there is no such file" }))
      const { vault } = await context.tools()
      const taken = await vault.importAll({ path, bytes: Buffer.from(text) }, { replace: options.replace === true })
      const status = await vault.status()
      const result: Imported = { file: path, vault: status.path, ...taken, usableBy: usableBy(status) }
      context.print(result, options.json, tell)
      if (result.kept.length > 0) context.exitWith(EXIT_CODES.failed)
    })

function tell({ file, vault, added, replaced, unchanged, kept, usableBy: who }: Imported): string {
  const line = (words: string, names: readonly string[]): string[] => (names.length === 0 ? [] : [`  ${words}: ${names.join(", ")}`])
  return [
    `From ${file} into ${vault}:`,
    ...line("added", added),
    ...line("replaced", replaced),
    ...line("the same already", unchanged),
    ...line("not imported, because the vault has another secret or origin of that name", kept),
    ...(kept.length === 0 ? [] : [`  next: postern vault import ${shellWord(file)} --replace`]),
    `  Each is for the origin that it was stored for. Usable by ${who}.`,
  ].join("\n")
}
