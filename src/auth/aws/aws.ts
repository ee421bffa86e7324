/**
 * The `aws` method: every request is signed with Signature Version 4, last of all, by an identity that was checked before.
 *
 * What it sends, what it does when refused, who it is, how one gets in and out stand here; the steps lie beside it: `endpoint.ts` (what
 * to sign for), `source.ts` and `credentials.ts` (who), `identity.ts` (kept and guarded), `role.ts`, `sign.ts`.
 */
import type { HttpServer } from "../../config/server.ts"
import type { Identity } from "../../core/identity.ts"
import { headerAuthenticator } from "../header.ts"
import type { Authenticator } from "../method.ts"
import { serverAddress } from "../server-address.ts"
import type { MethodTools } from "../tools.ts"
import { signInCommand } from "../sign-in-command.ts"
import { openAwsHttp } from "./aws-http.ts"
import { describeIdentity } from "./describe.ts"
import { type FrontDoor, frontDoorOf } from "./endpoint.ts"
import { type AwsIdentity, keepIdentity } from "./identity.ts"
import { readRefusal } from "./refusal.ts"
import { serverTime } from "./server-time.ts"
import { createSigner, type Sign } from "./sign.ts"
import { signatureOf } from "./signed-request.ts"
import { type AwsSource, openSource } from "./who.ts"

/** How much of a refusal's body is looked at, in bytes. */
const MOST_REFUSAL_BYTES = 64 * 1024

/**
 * @param origin - of the server's address: what its secrets are bound to
 * @param tools - AWS itself is asked over an HTTP layer of its own
 */
export function awsAuthenticator(server: HttpServer, origin: string, tools: Omit<MethodTools, "http">): Authenticator {
  const { clock, env } = tools
  const others =
    Object.keys(server.headers).length > 0 || server.headersHelper !== undefined ? headerAuthenticator(server, origin, tools) : undefined
  let opened: Promise<Opened> | undefined
  const time = serverTime(clock)

  const open = async (): Promise<Opened> => {
    const url = await serverAddress(server, tools)
    const door = frontDoorOf(server, url)
    const source = openSource({ server, door, tools, time, http: openAwsHttp(server, env) })
    return { door, source, sign: createSigner(door), keeper: keepIdentity(source) }
  }
  /** A fault is not remembered: the next request looks again. */
  const ready = (): Promise<Opened> =>
    (opened ??= open().catch((error: unknown) => {
      opened = undefined
      throw error
    }))

  return {
    async authorize(request, signal) {
      const { sign, keeper } = await ready()
      const complete = others === undefined ? request : await others.authorize(request, signal)
      const { credentials, holder } = await keeper.current(signal) // last: the other headers may take a while, and the files change meanwhile
      return { ...sign(complete, credentials, time.now()), identity: holder }
    },

    async recover(request, answer, signal) {
      const { keeper } = await ready()
      const signed = keeper.last()
      const body = await answer.readBriefly(MOST_REFUSAL_BYTES)
      const identity = signed === undefined ? await describeIdentity(server, tools) : await toIdentity(signed)
      const renew = howToRenew(server)
      const { diagnosis, remedy } = readRefusal(
        { status: answer.status, headers: answer.headers, body },
        { server: server.name, request, identity, renew },
      )
      // HTTP APIs say no more than "Forbidden", so the clock is looked at whatever was said.
      const isOff = time.learn(answer.headers.date, signatureOf(request)?.signedAtMs ?? time.now())
      const refusedKey = keyIdOf(request.headers["authorization"]) ?? ""
      if (remedy === "fresh-credentials") keeper.forget(refusedKey)
      const { credentials } = await keeper.current(signal)
      const isNewer = credentials.accessKeyId !== refusedKey
      return { advice: isOff || isNewer ? "retry" : "denied", diagnosis }
    },

    async identity() {
      const present = (await opened)?.keeper.last()
      return present === undefined ? describeIdentity(server, tools) : toIdentity(present)
    },

    async signIn(interaction, signal) {
      const { source } = await ready()
      return toIdentity(await source.signIn(interaction, signal))
    },

    async signOut() {
      const { source } = await ready()
      await source.signOut()
    },
  }
}

interface Opened {
  readonly door: FrontDoor
  readonly source: AwsSource
  readonly sign: Sign
  readonly keeper: ReturnType<typeof keepIdentity>
}

/** The key that a request was signed with; not a secret. */
function keyIdOf(authorization = ""): string | undefined {
  return /Credential=([^/]+)\//.exec(authorization)?.[1]
}

/** For credentials that have ended and are not renewed by themselves. */
function howToRenew(server: HttpServer): string {
  return signInCommand(server) ?? "renew the credentials where they come from"
}

async function subjectOf({ caller, source }: AwsIdentity): Promise<string> {
  return (await caller)?.arn ?? `whoever holds ${source}`
}

async function toIdentity(identity: AwsIdentity): Promise<Identity> {
  const caller = await identity.caller
  const { expiresAtMs } = identity.credentials
  return {
    subject: await subjectOf(identity),
    source: identity.source,
    ...(caller === undefined ? {} : { account: caller.account }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }
}
