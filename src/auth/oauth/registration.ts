/** Dynamic client registration (RFC 7591): asking for a client, checking what comes back, and keeping it under its issuer. */
import { createHash } from "node:crypto"
import * as v from "valibot"
import type { Findable } from "../../config/server-command.ts"
import { type AddressPolicy, passAddress } from "../../core/address-gate.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { fetchDocument } from "../../core/http-document.ts"
import type { Http } from "../../core/http.ts"
import type { Vault } from "../../vault/vault.ts"
import { oauthNotOffered, oauthRegistrationRefused } from "./diagnoses.ts"
import { wordsOf } from "./exchange.ts"
import type { OAuthClient } from "./grant.ts"
import type { IssuerMetadata } from "./issuer-metadata.ts"

const schema = v.object({
  client: v.object({
    id: v.string(),
    secret: v.exactOptional(v.string()),
    authMethod: v.picklist(["none", "client_secret_basic", "client_secret_post"]),
    from: v.literal("registration"),
  }),
  /** As it was registered; its port belongs to the registration (S43). */
  redirectUri: v.string(),
  /** When the client's secret ends, in milliseconds since 1970. */
  secretExpiresAtMs: v.exactOptional(v.number()),
  /** Where the server lets the registration be changed. */
  configurationUri: v.exactOptional(v.string()),
  configurationToken: v.exactOptional(v.string()),
})
/** A registration, as it is kept. */
export type Registration = v.InferOutput<typeof schema>

const answerSchema = v.object({
  client_id: v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,2048}$/)),
  client_secret: v.nullish(v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,4096}$/))),
  client_secret_expires_at: v.nullish(v.number()),
  redirect_uris: v.nullish(v.array(v.string())),
  token_endpoint_auth_method: v.nullish(v.string()),
  registration_client_uri: v.nullish(v.string()),
  registration_access_token: v.nullish(v.string()),
})

/** What is asked for. */
export interface RegistrationWish {
  readonly server: Findable
  /** The server's own address. */
  readonly url: URL
  /** Whether the endpoint is a guess (S36): who refuses there has most likely never heard of OAuth. */
  readonly isGuessed: boolean
  readonly metadata: IssuerMetadata & { readonly registration_endpoint: string }
  readonly redirectUri: string
  readonly policy: AddressPolicy
}

/**
 * Registers Postern.
 *
 * @returns the registration, not kept yet: it is worth keeping once a sign-in has come of it
 * @throws {PosternError} `oauth-registration-refused` (`oauth-not-offered` where its place is a guess), with what the server said; `address-refused`, and what the connection throws
 */
export async function register(wish: RegistrationWish, http: Http, signal: AbortSignal): Promise<Registration> {
  const { metadata, redirectUri, policy } = wish
  const url = passAddress(metadata.registration_endpoint, "send a credential", policy)
  const asked = clientMetadata(wish)
  const body = Buffer.from(JSON.stringify(asked))
  const headers = { "content-type": "application/json", accept: "application/json" }
  const { status, json } = await fetchDocument(http, { method: "POST", url, headers, body }, signal)

  const { server, isGuessed } = wish
  const refuse = (said: string): PosternError =>
    isGuessed && status < 500
      ? new PosternError(oauthNotOffered({ server: server.name, url: wish.url.href, guess: `${url.href}: ${said}` }))
      : new PosternError(oauthRegistrationRefused({ server, address: url.href, said }))
  const parsed = v.safeParse(answerSchema, json)
  if (status !== 200 && status !== 201)
    throw refuse([`HTTP ${status}`, ...Object.values(wordsOf(json)).filter((word) => word !== undefined)].join(": "))
  if (!parsed.success) throw refuse(`its answer cannot be used: ${v.getDotPath(parsed.issues[0]) ?? "it is no JSON object"}`)
  const { client_id: id, client_secret: secret, redirect_uris: redirectUris, token_endpoint_auth_method: named } = parsed.output
  // RFC 7591 section 3.2.1: the server may change what was asked for, and the client has to see whether it can live with it.
  if (redirectUris && !redirectUris.includes(redirectUri))
    throw refuse("it registered other redirect addresses than the one that was asked for")
  const authMethod = readAuthMethod(named ?? (secret ? asked.token_endpoint_auth_method : "none"))
  if (authMethod === undefined) throw refuse(`it wants another proof of the client: ${named ?? ""}`)
  if (authMethod !== "none" && !secret) throw refuse("it wants a secret of the client, and gave none")

  const { client_secret_expires_at: ends, registration_client_uri: uri, registration_access_token: token } = parsed.output
  return {
    client: { id, ...(secret && authMethod !== "none" ? { secret } : {}), authMethod, from: "registration" },
    redirectUri,
    ...(ends ? { secretExpiresAtMs: ends * 1000 } : {}),
    ...(uri ? { configurationUri: uri } : {}),
    ...(token ? { configurationToken: token } : {}),
  }
}

function clientMetadata({ metadata, redirectUri }: RegistrationWish) {
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["none"]
  const authMethod = ["none", "client_secret_basic", "client_secret_post"].find((method) => methods.includes(method)) ?? "none"
  const device = metadata.device_authorization_endpoint === undefined ? [] : ["urn:ietf:params:oauth:grant-type:device_code"]
  return {
    client_name: "Postern",
    redirect_uris: [redirectUri],
    application_type: "native", // S41: what the redirect is, a loopback address
    grant_types: ["authorization_code", "refresh_token", ...device],
    response_types: ["code"],
    token_endpoint_auth_method: authMethod,
    // No scope: some servers hold a client to what it named here for ever, and a step-up would be refused.
  }
}

function readAuthMethod(named: string): OAuthClient["authMethod"] | undefined {
  return named === "none" || named === "client_secret_basic" || named === "client_secret_post" ? named : undefined
}

/** Registrations belong to their issuer, and are never shown to another one (S42); `purpose` parts those for different redirects. */
function placeOf(issuer: string, purpose: string): { readonly name: string; readonly origin: string } {
  const hash = createHash("sha256")
    .update(JSON.stringify([issuer, purpose]))
    .digest("hex")
    .slice(0, 16)
  return { name: `oauth-client/${hash}`, origin: new URL(issuer).origin }
}

/** @returns the registration that is kept for an issuer, if its secret has not ended */
export async function readRegistration(vault: Vault, issuer: string, purpose: string, nowMs: number): Promise<Registration | undefined> {
  const { name, origin } = placeOf(issuer, purpose)
  const kept = await vault.read(name, origin)
  if (kept === undefined) return undefined
  const parsed = v.safeParse(schema, JSON.parse(kept)) // written by us, and sealed
  const isGood = parsed.success && (parsed.output.secretExpiresAtMs ?? Number.POSITIVE_INFINITY) > nowMs
  return isGood ? parsed.output : undefined
}

/** Keeps a registration in the place of the former one. */
export async function keepRegistration(vault: Vault, issuer: string, purpose: string, registration: Registration): Promise<void> {
  const facts = { kind: "client", account: issuer, client: registration.client.id } as const
  const next = { secret: JSON.stringify(registration), facts }
  await vault.renew(placeOf(issuer, purpose), async () => ({ next, result: undefined }), TERMS, new AbortController().signal)
}

const TERMS = { waitMs: 10_000, holdMs: 60_000 } as const
