/** Cline and its relatives (Roo Code, Kilo Code), which share one shape. */
import type { ForeignClient } from "./client.ts"

/** Keys of Cline. */
export const cline: ForeignClient = {
  name: "Cline",
  harmlessKeys: ["alwaysAllow", "autoApprove", "disabledTools", "watchPaths", "networkTimeout"],
  unusedKeys: {},
}
