/** The options of `add` for servers that one signs in to (the key `oauth` of an entry, and `pin.subject`). None of them is needed. */
import { type Command, InvalidArgumentError, Option } from "commander"
import { OAUTH_DIALECTS } from "../config/oauth-schema.ts"
import type { Context } from "./context.ts"
import { collect, splitPair } from "./pairs.ts"

/** As typed. `clientSecret` says only that there is one: a secret is never an argument. */
export interface OAuthOptions {
  readonly clientId?: string
  readonly clientSecret?: true
  readonly callbackPort?: string
  readonly redirectHost?: string
  readonly redirectPath?: string
  readonly scopes?: string
  readonly authServerMetadataUrl?: string
  readonly clientMetadataUrl?: string
  readonly resource?: string
  readonly authorizeParam?: readonly string[]
  readonly dialect?: readonly string[]
  readonly account?: string
  readonly pinSubject?: string
}

function collectDialect(value: string, before: readonly string[] = []): readonly string[] {
  if ((OAUTH_DIALECTS as readonly string[]).includes(value)) return [...before, value] // a list of texts
  throw new InvalidArgumentError(`Allowed are ${OAUTH_DIALECTS.join(", ")}.`)
}

/** Adds the options to a command. A dialect that does not exist is refused while the command line is read. */
export function withOAuthOptions(command: Command): Command {
  return command
    .optionsGroup("Where one signs in by OAuth (none of these is needed as a rule):")
    .option("--client-id <id>", "the client that is registered by hand at the authorization server")
    .option("--client-secret", "asks for that client's secret, or takes it from MCP_CLIENT_SECRET; it goes to the vault")
    .option("--callback-port <port>", "the port that the browser comes back to; a taken one is an error. Else a free one")
    .addOption(new Option("--redirect-host <host>", "the host that the browser comes back to").choices(["127.0.0.1", "localhost", "[::1]"]))
    .option("--redirect-path <path>", "the path that the browser comes back to; else /callback")
    .option("--scopes <scopes>", "ask for exactly these, with blanks between them")
    .option("--auth-server-metadata-url <url>", "where the authorization server's metadata is, if the server does not say it")
    .option("--client-metadata-url <url>", "a document that you host, whose address is the client's id (postern oauth client-document)")
    .option("--resource <value>", "what is sent as resource, word by word; omit leaves it out")
    .option("--authorize-param <parameter>", "a further parameter of the authorization request, NAME=VALUE; again and again", collect)
    .option("--dialect <name>", `leave out one check, for a server that is known to need it: ${OAUTH_DIALECTS.join(", ")}`, collectDialect)
    .option("--account <label>", "whose sign-in it is, where one server has several accounts; else the server's name")
    .option("--pin-subject <identity>", "the identity that must have signed in, ISSUER#SUB; any other is refused before anything is sent")
}

/** Whether any of them was given. */
export function hasOAuthOptions(options: OAuthOptions): boolean {
  const { clientId, clientSecret, callbackPort, redirectHost, redirectPath, scopes, authServerMetadataUrl } = options
  const { clientMetadataUrl, resource, authorizeParam, dialect, account, pinSubject } = options
  const client = [clientId, clientSecret, callbackPort, redirectHost, redirectPath, clientMetadataUrl]
  const request = [scopes, authServerMetadataUrl, resource, authorizeParam, dialect, account, pinSubject]
  return [...client, ...request].some((value) => value !== undefined)
}

/**
 * The keys of the entry that the options stand for.
 *
 * @param fail - tells what is wrong with the command line
 */
export async function oauthKeys(
  options: OAuthOptions,
  context: Context,
  fail: (problem: string) => never,
): Promise<{ readonly oauth?: object; readonly pin?: object }> {
  if (!hasOAuthOptions(options)) return {}
  const { clientId, redirectHost, redirectPath, scopes, authServerMetadataUrl, clientMetadataUrl, resource, account } = options
  if (options.clientSecret && clientId === undefined) fail("--client-secret goes with --client-id.")
  const texts = { clientId, redirectHost, redirectPath, scopes, authServerMetadataUrl, clientMetadataUrl, resource, account }
  const given = options.authorizeParam ?? []
  const parameters = given.map((parameter) => splitPair(parameter) ?? fail("An --authorize-param is not NAME=VALUE."))
  const oauth = {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)),
    ...(options.callbackPort === undefined ? {} : { callbackPort: toPort(options.callbackPort, fail) }),
    ...(parameters.length === 0 ? {} : { authorizeParams: Object.fromEntries(parameters) }),
    ...(options.dialect ? { dialects: [...new Set(options.dialect)] } : {}),
    ...(options.clientSecret ? { clientSecret: await readClientSecret(context) } : {}),
  }
  return {
    ...(Object.keys(oauth).length === 0 ? {} : { oauth }),
    ...(options.pinSubject === undefined ? {} : { pin: { subject: options.pinSubject } }),
  }
}

const readClientSecret = async (context: Context): Promise<string> =>
  context.env["MCP_CLIENT_SECRET"] || context.readSecret("Secret of the client (it is not shown)")

function toPort(text: string, fail: (problem: string) => never): number {
  return /^\d{1,5}$/.test(text) ? Number(text) : fail("--callback-port is a number from 1 to 65535.")
}
