/** The identity that a server must be reached with. */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { oauthSubjectMismatch } from "./diagnoses.ts"
import type { Grant } from "./grant.ts"

/**
 * Makes sure that a grant is the pinned person's, where the entry pins one (`pin.subject`, issuer and subject with `#` between them).
 *
 * @throws {PosternError} `oauth-subject-mismatch`; nothing was sent by then
 */
export function requirePinned(server: HttpServer, { issuer, subject }: Pick<Grant, "issuer" | "subject">): void {
  const { pin } = server
  const found = `${issuer}#${subject ?? "(the authorization server did not say who)"}`
  if (pin?.subject !== undefined && pin.subject !== found)
    throw new PosternError(oauthSubjectMismatch({ server, pinned: pin.subject, found }))
}
