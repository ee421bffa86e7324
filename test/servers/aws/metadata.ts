/**
 * What gives credentials to programs of a container and of an instance, on loopback. Each refuses whoever has not the token that the
 * real one wants: the container's is handed over by the environment, the instance's is asked for first (IMDSv2).
 */
import { randomBytes } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"
import type { Holder } from "./keys.ts"

export interface Metadata extends AsyncDisposable {
  readonly url: string
  /** Whose keys are given out; nobody's: they are refused. */
  holder: Holder | undefined
  /** What was asked for, and the status that was answered. */
  readonly seen: string[]
}

type Answer = readonly [status: number, body: string | object]

/** The credentials endpoint of ECS, EKS Pod Identity and AgentCore: `AWS_CONTAINER_CREDENTIALS_FULL_URI`. */
export function startContainerCredentials(holder: Holder, token: string): Promise<Metadata> {
  return start(holder, ({ method, url, headers }, keys) => {
    if (method !== "GET" || url !== "/v1/credentials") return [404, "no such path"]
    return headers.authorization === token ? [200, keys] : [401, "wrong token"]
  })
}

/** Instance metadata, version 2 only: `AWS_EC2_METADATA_SERVICE_ENDPOINT`. */
export function startInstanceMetadata(holder: Holder): Promise<Metadata> {
  const session = randomBytes(12).toString("base64url")
  const folder = "/latest/meta-data/iam/security-credentials/"
  return start(holder, ({ method, url, headers }, keys) => {
    if (method === "PUT" && url === "/latest/api/token")
      return headers["x-aws-ec2-metadata-token-ttl-seconds"] === undefined ? [400, ""] : [200, session]
    if (headers["x-aws-ec2-metadata-token"] !== session) return [401, ""]
    if (method === "GET" && url === folder) return [200, "instance-role"]
    return url === `${folder}instance-role` ? [200, { Code: "Success", Type: "AWS-HMAC", ...keys }] : [404, ""]
  })
}

async function start(holder: Holder, answer: (incoming: http.IncomingMessage, keys: object) => Answer): Promise<Metadata> {
  const listener = http.createServer((incoming, response) => {
    const [status, body] = metadata.holder === undefined ? ([403, ""] as const) : answer(incoming, toKeys(metadata.holder))
    metadata.seen.push(`${incoming.method} ${incoming.url} ${status}`)
    response.writeHead(status, { "content-type": typeof body === "string" ? "text/plain" : "application/json" })
    response.end(typeof body === "string" ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const metadata: Metadata = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    holder,
    seen: [],
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }
  return metadata
}

function toKeys({ accessKeyId, secretAccessKey, sessionToken, expiresAtMs }: Holder): object {
  const end = new Date(expiresAtMs ?? 0).toISOString()
  return { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken, Expiration: end, LastUpdated: end }
}
