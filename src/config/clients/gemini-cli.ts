/** Gemini CLI. */
import type { ForeignClient } from "./client.ts"

/** Keys of Gemini CLI. */
export const geminiCli: ForeignClient = {
  name: "Gemini CLI",
  harmlessKeys: ["trust", "includeTools", "excludeTools", "description"],
  unusedKeys: {
    authProviderType: "it holds Gemini CLI's own settings for signing in",
    cwd: "the process starts in the folder that Postern was started in",
    httpUrl: "url, with the type http, is the key for it",
  },
}
