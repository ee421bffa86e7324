/** `postern vault move --to SOURCE`: another key for the same secrets. */
import { Command, Option } from "commander"
import { KEY_SOURCE_NAMES, type KeySourceName, type VaultMove, type VaultStatus } from "../vault/vault.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES } from "./exit.ts"

interface Moved extends VaultMove, Pick<VaultStatus, "path" | "keyPlace" | "protectsFrom" | "doesNotProtectFrom"> {
  /** Of a passphrase: what else it takes. */
  readonly next?: string
}

/** `postern vault move`: gives the vault a key of another source. */
export const moveCommand = (context: Context): Command =>
  new Command("move")
    .description("give the vault a key from another source; secrets and names stay as they are")
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
      const result: Moved = { path, ...moved, keyPlace, protectsFrom, doesNotProtectFrom, ...stepAfter(moved) }
      context.print(result, options.json, tell)
      if (result.oldKeyLeft) context.exitWith(EXIT_CODES.failed)
    })

/** A bridge has nobody to ask, so whoever starts one has to give it the passphrase. */
function stepAfter({ to, moved }: VaultMove): Pick<Moved, "next"> {
  if (to !== "passphrase") return {}
  const next = moved
    ? "where clients are started, set POSTERN_PASSPHRASE_FILE to a private file (mode 0600) that holds the passphrase, and start them again; a bridge that runs without it cannot open the vault any more"
    : "to change the passphrase, run it at a terminal without POSTERN_PASSPHRASE_FILE: the present one is asked for, then the new one"
  return { next }
}

function tell({ path, from, to, moved, keyPlace, protectsFrom, doesNotProtectFrom, oldKeyLeft, next }: Moved): string {
  return [
    moved ? `The key of ${path} is now in: ${keyPlace} (${to}).` : `Nothing to do: the key of ${path} is in: ${keyPlace} (${to}).`,
    `  It protects from ${protectsFrom.join(", ")}; but not from ${doesNotProtectFrom.join(", ")}.`,
    ...(moved && from !== undefined ? [`  Copies of the vault that were made before open with the old key (${from}) only.`] : []),
    ...(next === undefined ? [] : [`  next: ${next}`]),
    ...(oldKeyLeft ? [`  The old key could not be removed: ${oldKeyLeft.cause}`, `  next: ${oldKeyLeft.next ?? ""}`] : []),
  ].join("\n")
}
