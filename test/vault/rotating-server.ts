/** A server whose token can be used once to get the next one, as a strict authorization server has it. Real HTTP on loopback. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface RotatingServer extends AsyncDisposable {
  readonly url: string
  /** The tokens that came, in their order. */
  readonly used: readonly string[]
  /** From now on, exchanges are not answered; the promise is for the first that has come. */
  hang(): Promise<void>
}

export async function startRotatingServer(): Promise<RotatingServer> {
  const used: string[] = []
  let valid = "token-1"
  let onHanging: (() => void) | undefined
  const server = createServer((request, response) => {
    request.setEncoding("utf8")
    let body = ""
    request.on("data", (text: string) => (body += text))
    request.on("end", () => {
      used.push(body)
      if (onHanging !== undefined) return onHanging()
      const isValid = body === valid
      if (isValid) valid = `token-${used.length + 1}`
      return void response.writeHead(isValid ? 200 : 400).end(valid)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    used,
    hang: () => new Promise((resolve) => (onHanging = resolve)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
