/** A proxy on loopback that passes everything on, and once cuts the answer to one method after its first bytes. */
import http from "node:http"
import type { AddressInfo } from "node:net"

export interface CuttingProxy extends AsyncDisposable {
  readonly url: string
  /** Names the JSON-RPC method whose next answer is cut. */
  cutNext(method: string): void
  /** How many answers were cut. */
  readonly cuts: number
  /** Requests that ask for the rest of a stream. */
  readonly resumes: number
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { origin, pathname } = new URL(target)
  let toCut: string | undefined
  let cuts = 0
  let resumes = 0

  const listener = http.createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const body = Buffer.concat(chunks)
      if ("last-event-id" in incoming.headers) resumes++
      const cut = toCut !== undefined && body.includes(`"method":"${toCut}"`)
      if (cut) toCut = undefined
      const upstream = http.request(origin + (incoming.url ?? ""), { method: incoming.method ?? "", headers: incoming.headers })
      upstream.on("response", (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        response.flushHeaders()
        if (!cut) return answer.pipe(response)
        return answer.once("data", (chunk: Buffer) => {
          cuts++
          response.write(chunk.subarray(0, Math.max(1, chunk.lastIndexOf("\n\n") + 2)), () => response.destroy())
        })
      })
      upstream.on("error", () => response.destroy())
      response.on("close", () => upstream.destroy())
      upstream.end(body)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}${pathname}`,
    cutNext: (method) => void (toCut = method),
    get cuts() {
      return cuts
    },
    get resumes() {
      return resumes
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
