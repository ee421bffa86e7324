/** `postern headers NAME`: the headers of a server as a JSON object, for clients that know `headersHelper`. Asks nothing. */
import { Command } from "commander"
import { findServer } from "../config/find.ts"
import type { Context } from "./context.ts"

/** `postern headers`: the one command that prints a secret, since that is what it is for. */
export const headersCommand = (context: Context): Command =>
  new Command("headers")
    .description("print the headers that prove who you are, as a JSON object; secrets in clear, for a program to read")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print errors as JSON too")
    .addHelpText(
      "after",
      '\nExample, in the configuration of a client:\n  "weather": {"type": "http", "url": "https://…", "headersHelper": "postern headers weather"}',
    )
    .action(async (name: string, options: { config?: string }) => {
      const { proofHeaders } = await import("../auth/proof-headers.ts")
      const server = findServer(await context.configuration(options, name), name)
      const headers = await proofHeaders(server, await context.tools(), context.signal)
      context.stdout.write(`${JSON.stringify(headers)}\n`) // not `print`: the redactor would black out what is asked for
    })
