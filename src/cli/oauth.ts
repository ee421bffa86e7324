/** `postern oauth client-document`: what somebody hosts so that authorization servers know Postern by an address. */
import { Command } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"

const CLIENT_DOCUMENT_EXAMPLE = "\nExample:\n  $ postern oauth client-document https://example.com/postern.json > postern.json"

/** `postern oauth`: a word for the commands below it. */
export const oauthCommand = (context: Context): Command =>
  new Command("oauth")
    .description("what signing in by OAuth needs around it")
    .addHelpText("after", CLIENT_DOCUMENT_EXAMPLE)
    .addCommand(clientDocumentCommand(context))

const clientDocumentCommand = (context: Context): Command =>
  new Command("client-document")
    .description("print the document to host at an https address of yours, which is then the client's id (--client-metadata-url)")
    .argument("<url>", "the https address, with a path, where it will be hosted")
    .option("--json", "the document is JSON with and without it; errors are then, too")
    .addHelpText("after", CLIENT_DOCUMENT_EXAMPLE)
    .action(async (address: string) => {
      const { clientDocument } = await import("../auth/oauth/client-document.ts")
      // The address is the id, letter by letter: what a browser would make of it does not count (S39).
      if (!URL.canParse(address) || !/^https:\/\/[^/?#\s]+\/[^?#\s]+$/.test(address)) {
        const problem = `"${quote(address, 80)}" is not an https address with a path.`
        throw new PosternError(usageWrong({ problem, help: "postern oauth client-document --help" }))
      }
      context.print(clientDocument(address), true, String)
    })
