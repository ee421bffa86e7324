/** An MCP server behind AWS's own door: nobody gets in without a good signature, and it is known who got in. */
import { json, type McpServer, type SeenRequest, startMcpServer } from "../mcp-server.ts"
import type { Holder, Holders } from "./keys.ts"
import { verify, type Verifying } from "./verifier.ts"

export interface AwsEndpoint extends McpServer {
  /** Who got in, one for each request, in order. */
  readonly callers: Holder[]
  /** Why somebody did not get in. */
  readonly refusals: { readonly type: string; readonly message: string; readonly request: SeenRequest }[]
  /** How far the server's clock is ahead of this machine's, in milliseconds. */
  clockAheadMs: number
  /** What is done with a request before it is looked at, for example by somebody in between who changes it. */
  tamper: (request: SeenRequest) => SeenRequest
}

export type AwsEndpointSettings = Pick<Verifying, "unsignedPayload"> & {
  readonly holders: Holders
  readonly service?: string
  readonly region?: string
}

/** Starts one; an API Gateway in ap-southeast-1 unless said otherwise. */
export async function startAwsEndpoint({
  holders,
  service = "execute-api",
  region = "ap-southeast-1",
  ...more
}: AwsEndpointSettings): Promise<AwsEndpoint> {
  const server = await startMcpServer()
  const endpoint: AwsEndpoint = Object.assign(server, {
    callers: [],
    refusals: [],
    clockAheadMs: 0,
    tamper: (request: SeenRequest) => request,
  })
  endpoint.handler = (seen, response) => {
    const request = endpoint.tamper(seen)
    const nowMs = Date.now() + endpoint.clockAheadMs
    const arrived = { method: request.method, target: request.path, headers: request.headers, body: Buffer.from(request.body) }
    const verdict = verify(arrived, { holders, service, region, nowMs, ...more })
    if ("holder" in verdict) {
      endpoint.callers.push(verdict.holder)
      return false
    }
    const { status, type, message } = verdict
    endpoint.refusals.push({ type, message, request })
    return json(response, { message }, status, { "x-amzn-errortype": type, "x-amz-apigw-id": "test=", date: new Date(nowMs).toUTCString() })
  }
  return endpoint
}
