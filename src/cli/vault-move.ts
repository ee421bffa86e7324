/** `postern vault move --to SOURCE`: another key for the same secrets. */
import { Command, Option } from "commander"
import { KEY_SOURCE_NAMES, type KeySourceName, type VaultMove, type VaultStatus } from "../vault/vault.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES } from "./exit.ts"

type Moved = VaultMove & Pick<VaultStatus, "path" | "keyPlace" | "protectsFrom" | "doesNotProtectFrom">

/** `postern vault move`: gives the vault a key of another source. */
export const moveCommand = (context: Context): Command =>
  new Command("move")
    .description("give the vault a key from another source; secrets, names and running bridges stay as they are")
    .addOption(
      new Option("--to <source>", "where the key comes from: the OS keychain, a passphrase, or a file")
        .choices(KEY_SOURCE_NAMES)
        .makeOptionMandatory(),
    )
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExamples:\n  $ postern vault move --to keychain\n  $ postern vault move --to passphrase")
    .action(async (options: { to: KeySourceName; json?: true }) => {
      const { vault } = await context.tools()
      const moved = await vault.move(options.to)
      const { path, keyPlace, protectsFrom, doesNotProtectFrom } = await vault.status()
      const result: Moved = { path, ...moved, keyPlace, protectsFrom, doesNotProtectFrom }
      context.print(result, options.json, tell)
      if (result.oldKeyLeft) context.exitWith(EXIT_CODES.failed)
    })

function tell({ path, from, to, moved, keyPlace, protectsFrom, doesNotProtectFrom, oldKeyLeft }: Moved): string {
  return [
    moved ? `The key of ${path} is now in: ${keyPlace} (${to}).` : `Nothing to do: the key of ${path} is in: ${keyPlace} (${to}).`,
    `  It protects from ${protectsFrom.join(", ")}; but not from ${doesNotProtectFrom.join(", ")}.`,
    ...(moved && from !== undefined ? [`  Copies of the vault that were made before open with the old key (${from}) only.`] : []),
    ...(oldKeyLeft ? [`  The old key could not be removed: ${oldKeyLeft.cause}`, `  next: ${oldKeyLeft.next ?? ""}`] : []),
  ].join("\n")
}
