/** `postern auth NAME` for a server whose requests are signed for AWS. */
import type { HttpServer } from "../config/server.ts"
import type { AuthOptions, SignedIn } from "./auth.ts"
import type { Context } from "./context.ts"

/** Begins a session of SSO where there is none, asks for a code where one is wanted, and keeps that this identity is meant. */
export async function signInByAws(server: HttpServer, { browser, fresh }: AuthOptions, context: Context): Promise<SignedIn> {
  const { enterAws } = await import("../auth/aws/enter.ts")
  const tools = await context.tools()
  const interaction = browser ? context.interaction : context.interactionWithoutBrowser
  const options = { fresh: fresh ?? false, deviceCode: !browser, insists: true }
  const { arn, account, source, expiresAtMs } = await enterAws(server, options, { tools, interaction }, context.signal)
  return {
    server: server.name,
    method: "aws",
    subject: arn,
    issuer: `AWS account ${account}`,
    scopes: [],
    storedIn: source,
    expiresAt: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    renewsItself: expiresAtMs !== undefined,
    usableBy: "programs of this user that read the same source",
  }
}
