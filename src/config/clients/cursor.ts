/** Cursor and VS Code's relatives. */
import type { ForeignClient } from "./client.ts"

/** Keys of Cursor. */
export const cursor: ForeignClient = {
  name: "Cursor",
  harmlessKeys: ["gallery", "version", "icon"],
  unusedKeys: {
    auth: "it holds Cursor's own settings for signing in",
    envFile: "variables come from env and from the process that starts Postern",
  },
}
