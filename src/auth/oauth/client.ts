/** As which client one signs in: pre-registered, a hosted document, a dynamic registration, or what a person knows (S38). */
import { expand } from "../../config/expand.ts"
import type { HttpServer, OAuthSettings } from "../../config/server.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import { PosternError, failedWith } from "../../core/diagnosis.ts"
import type { Http } from "../../core/http.ts"
import { nobodyToAsk } from "../diagnoses.ts"
import type { Interaction } from "../interaction.ts"
import type { MethodTools } from "../tools.ts"
import { CLIENT_DOCUMENT_PORTS } from "./client-document.ts"
import { oauthClientMissing } from "./diagnoses.ts"
import type { Destination } from "./discovery.ts"
import type { OAuthClient } from "./grant.ts"
import { type Registration, readRegistration, register } from "./registration.ts"

/** How the client comes about, before the redirect's port is known. */
export type ClientPlan =
  | { readonly kind: "known"; readonly client: OAuthClient; readonly ports: readonly number[] }
  | { readonly kind: "registration"; readonly kept: Registration | undefined; readonly ports: readonly number[] }

/** For which server, at which authorization server, a client is wanted. */
export interface ClientQuestion {
  readonly server: HttpServer
  readonly url: URL
  readonly destination: Destination
  /** A client of a former sign-in with this issuer that a person has named. */
  readonly former: OAuthClient | undefined
  /** Whether kept registrations are left aside. */
  readonly fresh: boolean
  readonly policy: AddressPolicy
}

/**
 * Decides as which client one signs in. Sends nothing.
 *
 * @returns the plan, with the ports for the redirect in the order to be tried; 0 is a free one
 * @throws {PosternError} `oauth-client-missing` naming the four ways, if a person cannot name a client either
 */
export async function planClient(
  question: ClientQuestion,
  tools: MethodTools,
  interaction: Interaction,
  signal: AbortSignal,
): Promise<ClientPlan> {
  const { server, destination, former, fresh } = question
  const { metadata, issuer } = destination
  const { oauth = {} } = server
  const fixed = oauth.callbackPort === undefined ? undefined : [oauth.callbackPort]
  const known = (client: OAuthClient, ports: readonly number[]): ClientPlan => ({ kind: "known", client, ports: fixed ?? ports })

  if (oauth.clientId !== undefined) return known(await configuredClient(question, oauth.clientId, tools), [0])
  if (oauth.clientMetadataUrl !== undefined && metadata.client_id_metadata_document_supported) {
    return known({ id: oauth.clientMetadataUrl, authMethod: "none", from: "document" }, [...CLIENT_DOCUMENT_PORTS, 0])
  }
  if (metadata.registration_endpoint !== undefined) {
    const kept = fresh ? undefined : await readRegistration(tools.vault, issuer, purposeOf(oauth), tools.clock.now())
    return { kind: "registration", kept, ports: fixed ?? (kept === undefined ? [0] : [portOf(kept.redirectUri), 0]) }
  }
  if (former?.from === "configured" && !fresh) return known(former, [0])
  return known(await askForClient(question, interaction, signal), [0])
}

/** Registrations for different redirects are different ones. */
export function purposeOf({ redirectHost = "127.0.0.1", redirectPath = "/callback", callbackPort = 0 }: OAuthSettings): string {
  return `${redirectHost} ${redirectPath} ${callbackPort}`
}

/** A client that one can sign in as. */
export interface RealClient {
  readonly client: OAuthClient
  /** Whether it is a kept registration, which the server may have forgotten meanwhile. */
  readonly isKept: boolean
  /** A new registration, which is kept once it has proved good. */
  readonly registration?: Registration
}

/** Makes the plan true for a redirect that is bound. From here on a server may repeat the client's secrets, so the redactor knows them. */
export async function realizeClient(
  question: ClientQuestion & { readonly plan: ClientPlan },
  redirectUri: string,
  { http, redactor }: Pick<MethodTools, "http" | "redactor">,
  signal: AbortSignal,
): Promise<RealClient> {
  const real = await findOrRegister(question, redirectUri, http, signal)
  for (const secret of [real.client.secret, real.registration?.configurationToken]) if (secret !== undefined) redactor.learnPassing(secret)
  return real
}

async function findOrRegister(
  { server, url, destination, policy, plan }: ClientQuestion & { readonly plan: ClientPlan },
  redirectUri: string,
  http: Http,
  signal: AbortSignal,
): Promise<RealClient> {
  if (plan.kind === "known") return { client: plan.client, isKept: false }
  if (plan.kept?.redirectUri === redirectUri) return { client: plan.kept.client, isKept: true }
  const { registration_endpoint = "" } = destination.metadata // there is one: that is what the plan stands on
  const { metadata, isGuessed } = destination
  const wish = { server, url, metadata: { ...metadata, registration_endpoint }, isGuessed, redirectUri, policy }
  const registration = await register(wish, http, signal)
  return { client: registration.client, isKept: false, registration }
}

async function configuredClient(question: ClientQuestion, id: string, { env, vault }: MethodTools): Promise<OAuthClient> {
  const { server, url, destination } = question
  const template = server.oauth?.clientSecret
  if (template === undefined) return { id, authMethod: "none", from: "configured" }
  const sources = { env, readSecret: (name: string) => vault.read(name, url.origin) }
  const secret = await expand(template, sources, { server: server.name, file: server.file, key: "oauth.clientSecret" })
  return { id, secret, authMethod: secretMethod(destination), from: "configured" }
}

/** RFC 8414 section 2: where nothing is said, Basic. */
function secretMethod({ metadata }: Destination): OAuthClient["authMethod"] {
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["client_secret_basic"]
  return !methods.includes("client_secret_basic") && methods.includes("client_secret_post") ? "client_secret_post" : "client_secret_basic"
}

async function askForClient(question: ClientQuestion, interaction: Interaction, signal: AbortSignal): Promise<OAuthClient> {
  const { destination } = question
  try {
    const id = await interaction.askText(`Id of the client that is registered at ${destination.issuer}`, signal)
    return { id: id.trim(), authMethod: "none", from: "configured" }
  } catch (error) {
    if (!failedWith(error, nobodyToAsk)) throw error
    throw missing(question)
  }
}

function missing({ server, destination }: ClientQuestion): PosternError {
  const { oauth = {} } = server
  const document =
    oauth.clientMetadataUrl === undefined
      ? destination.metadata.client_id_metadata_document_supported
        ? "client document: the server takes one, and none is named (--client-metadata-url URL; see postern oauth client-document)"
        : "client document: the server takes none, and none is named"
      : "client document: one is named, and the server takes none"
  const port = oauth.callbackPort === undefined ? "" : `:${oauth.callbackPort}`
  const redirect = `http://${oauth.redirectHost ?? "127.0.0.1"}${port}${oauth.redirectPath ?? "/callback"}`
  return new PosternError(
    oauthClientMissing({
      server,
      issuer: destination.issuer,
      redirect: `${redirect}${port === "" ? " (any port; where the server wants one, set --callback-port)" : ""}`,
      missing: [
        "client registered by hand: none is named (--client-id ID)",
        document,
        "dynamic registration: the server has none",
        "nobody was there to be asked for an id",
      ],
    }),
  )
}

const portOf = (redirectUri: string): number => Number(new URL(redirectUri).port)
