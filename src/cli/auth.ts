/** `postern auth NAME`: signs in, by the browser or with a printed link. `login` is the same. */
import { Command } from "commander"
import type { HttpServer, OAuthSettings, Server } from "../config/server.ts"
import { findServer } from "../config/find.ts"
import { oauthSignInNeeded } from "../auth/oauth/diagnoses.ts"
import { isAccountLabel } from "../config/oauth-schema.ts"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"
import { EXIT_CODES, tellDiagnosis } from "./exit.ts"
import { usableBy } from "./kept-secret.ts"
import { keepApproval } from "./project-approval.ts"

/** As typed; `browser` is false with `--no-browser`. */
export interface AuthOptions {
  readonly all?: true
  readonly browser: boolean
  readonly account?: string
  readonly fresh?: true
  readonly device?: true
  readonly issuer?: string
  readonly scopes?: string
  readonly clientId?: string
  readonly config?: string
  readonly json?: true
}

/** A sign-in, as it is told. */
export interface SignedIn {
  readonly server: string
  readonly method: string
  readonly subject: string
  readonly issuer: string | null
  readonly scopes: readonly string[]
  readonly storedIn: string
  readonly expiresAt: string | null
  readonly renewsItself: boolean
  readonly usableBy: string
}

/**
 * `postern auth`: signs in to one server, or with `--all` to each that needs it.
 *
 * @param word - the name that the command goes by: `login` does the same
 */
export const authCommand = (context: Context, word = "auth"): Command =>
  new Command(word)
    .description(word === "auth" ? "sign in to a server; running bridges use it from their next message" : "the same as auth")
    .argument("[name]", "the server, as `postern list` shows it")
    .option("--all", "every server that needs a sign-in, one after the other; those of which it is not known are asked")
    .option("--no-browser", "print the link, and start no browser")
    .option("--account <label>", "whose sign-in it is, where one server has several accounts")
    .option("--device", "show a code to enter on any device, where the authorization server has that")
    .option("--issuer <url>", "the authorization server, where the server names several")
    .option("--fresh", "make Postern known to the authorization server anew")
    .option("--scopes <scopes>", "ask for these beside what the server asks for")
    .option("--client-id <id>", "the client that is registered there by hand, for this sign-in and its renewals")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON")
    .addHelpText("after", `\nExamples:\n  $ postern ${word} linear\n  $ postern ${word} linear --no-browser\n  $ postern ${word} --all`)
    .action(async (name: string | undefined, options: AuthOptions) => {
      if ((name === undefined) === (options.all === undefined)) {
        throw new PosternError(usageWrong({ problem: "Either the name of a server is given, or --all.", help: `postern ${word} --help` }))
      }
      if (options.account !== undefined && !isAccountLabel(options.account)) {
        throw new PosternError(
          usageWrong({ problem: "The label of an account has letters, digits and - _ . only.", help: `postern ${word} --help` }),
        )
      }
      const configuration = await context.configuration(options, name)
      if (name !== undefined) {
        const signedIn = await signInTo(findServer(configuration, name), options, context)
        return context.print(signedIn, options.json, tell)
      }
      await signInToAll(configuration.servers, options, context)
    })

async function signInTo(server: Server, options: AuthOptions, context: Context): Promise<SignedIn> {
  const { methodOf } = await import("../auth/registry.ts")
  const method = methodOf(server)
  if (server.transport !== "stdio" && method === "aws") return (await import("./auth-aws.ts")).signInByAws(server, options, context)
  if (server.transport === "stdio" || (method !== "oauth" && method !== "none")) {
    const problem = `"${server.name}" proves itself by ${server.transport === "stdio" ? "its own variables" : `the method ${method}`}; there is no sign-in.`
    throw new PosternError(usageWrong({ problem, help: posternCommand("get", server.name) }))
  }
  return signInByOauth(server, options, context)
}

async function signInByOauth(server: HttpServer, options: AuthOptions, context: Context): Promise<SignedIn> {
  const { enter } = await import("../auth/oauth/enter.ts")
  const tools = await context.tools()
  const interaction = options.browser ? context.interaction : context.interactionWithoutBrowser
  const settings: OAuthSettings = {
    ...(options.account === undefined ? {} : { account: options.account }),
    ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
  }
  const { scopes: moreScopes, issuer: named } = options
  const device = options.device ? "instead" : "beside"
  const wish = { fresh: options.fresh ?? false, scopes: moreScopes, settings, issuer: named, device } as const
  const grant = await enter(server, wish, { tools, interaction }, context.signal)
  if (options.account !== undefined) await keepAccount(server, options.account, context)
  const { subject, client, account, scopes = [], expiresAtMs, renewable = false } = grant?.facts ?? {}
  return {
    server: server.name,
    method: "oauth",
    subject: subject ?? `client ${client ?? "unknown"}`,
    issuer: account ?? null,
    scopes,
    storedIn: grant === undefined ? "nowhere" : `vault:${grant.name}`,
    expiresAt: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    renewsItself: renewable,
    usableBy: usableBy(await tools.vault.status()),
  }
}

/** The sign-in that was made is the one that is used from now on. A file that was named by `--config` is another client's. */
async function keepAccount(server: HttpServer, label: string, context: Context): Promise<void> {
  if (server.oauth?.account === label) return
  if (server.scope === "file")
    return context.note(`postern: note: ${server.file} is left as it is; "oauth": {"account": "${label}"} there makes it use this sign-in`)
  const { chooseAccount } = await import("../config/amend.ts")
  const { clock, signal } = context
  const configuration = await context.configuration({}, server.name)
  await keepApproval(server, context, () => chooseAccount(server, label, { configuration, surroundings: context, clock }, signal))
}

/** One after the other: a person has one pair of eyes. One that fails does not keep the others from being asked. */
async function signInToAll(servers: readonly Server[], options: AuthOptions, context: Context): Promise<void> {
  const waiting = await findWaiting(servers, context)
  const done: SignedIn[] = []
  for (const server of waiting) {
    try {
      done.push(await signInTo(server, options, context))
    } catch (error) {
      if (!(error instanceof PosternError) || context.signal.aborted) throw error
      context.note(tellDiagnosis(error.diagnosis))
      context.exitWith(EXIT_CODES.failed)
    }
  }
  context.print({ signedIn: done, asked: waiting.map(({ name }) => name) }, options.json, (result) =>
    result.asked.length === 0 ? "No server needs a sign-in." : result.signedIn.map(tell).join("\n\n"),
  )
}

/** Those that are known to need a sign-in, and those of which only the server knows: an entry with an address alone says nothing. */
async function findWaiting(servers: readonly Server[], context: Context): Promise<readonly Server[]> {
  const { describeServers } = await import("../inspect/servers.ts")
  const { checkServers } = await import("../inspect/check.ts")
  const tools = await context.tools()
  const usable = servers.filter(({ trusted, enabled }) => trusted && enabled)
  const facts = await describeServers({ servers: usable, invalid: [] }, tools)
  const factsOf = ({ name }: Server) => facts.find((one) => one.name === name)
  const unknown = usable.filter((server) => server.transport !== "stdio" && factsOf(server)?.method === "none")
  const verdicts = await checkServers({ servers: unknown, invalid: [] }, { tools, version: context.version }, context.signal)
  const asksForOne = ({ name }: Server): boolean => {
    const verdict = verdicts.get(name)
    if (verdict?.is !== "failed") return false
    if (verdict.diagnosis.code === oauthSignInNeeded.code) return true
    context.note(`postern: note: it is not known whether "${name}" needs a sign-in: ${verdict.diagnosis.cause}`)
    return false
  }
  return usable.filter((server) => asksForOne(server) || (factsOf(server)?.needsSignIn === true && factsOf(server)?.method === "oauth"))
}

function tell({ server, method, subject, issuer, scopes, storedIn, expiresAt, renewsItself, usableBy: who }: SignedIn): string {
  if (method === "aws") {
    const end = expiresAt === null ? "they do not end by themselves" : `they last until ${expiresAt}, and are renewed before`
    return [`"${server}" sees ${subject} (${issuer}).`, `  The keys come from ${storedIn}; ${end}. Usable by ${who}.`].join("\n")
  }
  const life = renewsItself ? "It renews itself" : "It does not renew itself"
  const until = expiresAt === null ? "the server did not say how long the token lasts" : `the token lasts until ${expiresAt}`
  return [
    `Signed in to "${server}" as ${subject}${issuer === null ? "" : ` (issuer ${issuer})`}.`,
    `  scopes: ${scopes.join(" ") || "none named"}`,
    `  It is in ${storedIn}. ${life}; ${until}. Usable by ${who}.`,
  ].join("\n")
}
