/** The HTTP layer of one server, as its entry wants it: every way to it, and whatever it leads to, goes through this. */
import { expandTlsFiles } from "../config/expand-files.ts"
import type { HttpServer } from "../config/server.ts"
import { type Http, createHttp } from "../core/http.ts"
import type { Environment } from "../core/places.ts"

/** A call of ten minutes is nothing odd; half an hour without a byte is. */
export const SILENCE_MS = 30 * 60_000
/** Opening a connection, TLS included, in milliseconds. */
export const CONNECT_MS = 15_000

/**
 * Opens the HTTP layer of a server: for its messages, and for the documents, tokens and calls of its method. Nothing is connected yet.
 *
 * @param url - the server's expanded address
 * @returns closed by whoever opened it
 * @throws {PosternError} as `expandTlsFiles` does
 */
export function openHttp(server: HttpServer, url: URL, env: Environment): Http {
  const tls = expandTlsFiles(server, env)
  return createHttp({
    silenceMs: server.timeoutMs ?? SILENCE_MS,
    connectMs: CONNECT_MS,
    env,
    addresses: { home: url, allowPrivate: server.allowPrivate === true },
    ...(tls && { tls }),
  })
}
