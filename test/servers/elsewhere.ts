/** Another origin, which nothing must reach: it keeps whatever comes. */
import http from "node:http"
import type { AddressInfo } from "node:net"

export interface Elsewhere extends AsyncDisposable {
  readonly origin: string
  /** Each request as text: request line, headers, body. */
  readonly received: readonly string[]
}

/** Starts it on loopback; it answers 200 with an empty object to everything. */
export async function startElsewhere(): Promise<Elsewhere> {
  const received: string[] = []
  const listener = http.createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += String(chunk)
    received.push([`${request.method} ${request.url}`, ...request.rawHeaders, "", body].join("\n"))
    response.writeHead(200, { "content-type": "application/json" }).end("{}")
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  return {
    origin: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    received,
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }
}
