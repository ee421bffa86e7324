/** Forms to the endpoints of an authorization server: oauth4webapi makes them, our own HTTP carries them. */
import * as oauth from "oauth4webapi"
import { type AddressPolicy, passAddress } from "../../core/address-gate.ts"
import { fetchDocument } from "../../core/http-document.ts"
import type { Http } from "../../core/http.ts"
import type { OAuthClient } from "./grant.ts"

/** An answer of an endpoint. */
export interface EndpointAnswer {
  readonly status: number
  /** The parsed body; undefined where it is no JSON. */
  readonly json: unknown
}

/** How an endpoint is reached. */
export interface Reach {
  readonly http: Http
  readonly policy: AddressPolicy
  /** From the first byte sent to the last received, in milliseconds. */
  readonly limitMs: number
}

/** A client, as oauth4webapi wants it. */
export function clientOf({ id }: OAuthClient): oauth.Client {
  return { client_id: id }
}

/** How the client proves itself: as it was registered (S44). Basic encodes id and secret as forms do (RFC 6749 section 2.3.1). */
export function proofOf({ authMethod, secret }: OAuthClient): oauth.ClientAuth {
  if (secret === undefined || authMethod === "none") return oauth.None()
  return authMethod === "client_secret_basic" ? basicProof(secret) : oauth.ClientSecretPost(secret)
}

/**
 * RFC 6749 section 2.3.1 and appendix B: `-`, `.` and `_` stay as they are in a form. oauth4webapi escapes them too, which a server that
 * does not decode the parts takes for another client.
 */
function basicProof(secret: string): oauth.ClientAuth {
  const encode = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)
  return (_, { client_id }, __, headers) => {
    headers.set("authorization", `Basic ${Buffer.from(`${encode(client_id)}:${encode(secret)}`).toString("base64")}`)
  }
}

/**
 * Sends one form.
 *
 * @param send - calls a request function of oauth4webapi with the options that it is given
 * @returns whatever the endpoint answered; no redirect is followed
 * @throws {PosternError} `address-refused`, and what `fetchDocument` throws
 */
export async function sendForm(
  send: (options: oauth.HttpRequestOptions<"POST", URLSearchParams>) => Promise<Response>,
  { http, policy, limitMs }: Reach,
  signal: AbortSignal,
): Promise<EndpointAnswer> {
  let answer: EndpointAnswer | undefined
  const options: oauth.HttpRequestOptions<"POST", URLSearchParams> = {
    async [oauth.customFetch](address, { headers, body }) {
      const url = passAddress(address, "send a credential", policy)
      const { status, json } = await fetchDocument(
        http,
        { method: "POST", url, headers, body: Buffer.from(body.toString()) },
        signal,
        limitMs,
      )
      answer = { status, json }
      return new Response(null, { status: 204 }) // it is read from `answer`, as plain values
    },
    [oauth.allowInsecureRequests]: true, // the gate decides where http is possible: on this machine only
    signal,
  }
  await send(options)
  if (answer === undefined) throw new Error("oauth4webapi sent nothing")
  return answer
}
