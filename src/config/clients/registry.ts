/** The clients whose files Postern knows: one line each. */
import { claudeCode } from "./claude-code.ts"
import type { ForeignClient } from "./client.ts"
import { cline } from "./cline.ts"
import { cursor } from "./cursor.ts"
import { geminiCli } from "./gemini-cli.ts"

/** All clients whose files are read, one line each. */
export const foreignClients: readonly ForeignClient[] = [claudeCode, cline, cursor, geminiCli]
