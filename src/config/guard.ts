/** The one gate between reading a server and using it. */
import { PosternError } from "../core/diagnosis.ts"
import { projectNotTrusted } from "./diagnoses.ts"
import type { Server } from "./server.ts"

/**
 * Lets only trusted servers pass. Whatever expands, sends or starts calls this first; the functions of expand.ts do.
 *
 * @throws {PosternError} `project-not-trusted` if it comes from a project file that nobody approved as it is now
 */
export function requireTrusted(server: Server): void {
  if (server.trusted) return
  throw new PosternError(projectNotTrusted({ server: server.name, file: server.file, changed: server.changedSinceApproval ?? false }))
}
