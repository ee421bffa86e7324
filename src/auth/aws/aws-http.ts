/** The HTTP layer for AWS's own services (STS, IAM, SSO) and for the SDK: out by the ways of a server, to addresses of AWS's. */
import { awsAuthorities, expandTlsFiles } from "../../config/expand-files.ts"
import type { HttpServer } from "../../config/server.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import { type Http, createHttp } from "../../core/http.ts"
import type { Environment } from "../../core/places.ts"
import { CONNECT_MS } from "../server-http.ts"

/** What AWS is asked takes a moment; a silence of this length, in milliseconds, is a fault. */
const SILENCE_MS = 10_000

/**
 * The server has no word in where these calls go: AWS's own names for hosts do, or the user's `AWS_ENDPOINT_URL`. So how near the server
 * stands is no bound; in a VPC the services have private addresses, and a double stands on this machine. Link-local addresses, where
 * credentials are handed out, are refused here too: the SDK asks the metadata of an instance or a container by itself.
 */
const ADDRESSES: AddressPolicy = { home: new URL("https://sts.amazonaws.com/"), allowPrivate: true }

/**
 * Opens the layer: the proxies and AWS_CA_BUNDLE of the environment, and what the entry names for TLS, as `openHttp` does.
 *
 * @param server - undefined where AWS is asked for no server
 * @returns closed by whoever opened it; left open, it keeps no process alive
 * @throws {PosternError} as `expandTlsFiles` does
 */
export function openAwsHttp(server: HttpServer | undefined, env: Environment): Http {
  const tls = server === undefined ? awsAuthorities(env) : expandTlsFiles(server, env)
  return createHttp({ silenceMs: SILENCE_MS, connectMs: CONNECT_MS, env, addresses: ADDRESSES, ...(tls && { tls }) })
}
