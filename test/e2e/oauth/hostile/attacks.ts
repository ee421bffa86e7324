/** What a server of whoever can answer to lead a client astray, each with the diagnosis that it is refused with. */
import type http from "node:http"
import { gzipSync } from "node:zlib"
import { json } from "../../../servers/mcp-server.ts"
import type { SeenAuthorization } from "../../../servers/strict-authorization-server.ts"
import type { AttackStage } from "./stage.ts"

export interface Attack {
  readonly what: string
  /** The code of the diagnosis. */
  readonly code: string
  arrange(stage: AttackStage): void
  /** Whether a person is sent to the authorization server before the trap: a false address or document must be seen before that. */
  readonly asksPerson?: true
  /** Whether the client came as far as the trap; a trap that nobody reaches proves nothing. */
  isReached(stage: AttackStage): boolean
}

type Answer = (request: SeenAuthorization, response: http.ServerResponse) => void

const METADATA = "/.well-known/oauth-authorization-server"
const wasAsked =
  (path: string) =>
  ({ server: { authorization } }: AttackStage): boolean =>
    authorization.seenAt(path).length > 0
const askedResource = ({ server }: AttackStage): boolean =>
  server.mcp.seen.some(({ path }) => path.startsWith("/.well-known/oauth-protected-resource"))

/** Answers one path of the authorization server in its own way. */
const answerAt =
  (path: string, answer: (stage: AttackStage) => Answer) =>
  (stage: AttackStage): void => {
    const give = answer(stage)
    stage.server.authorization.handler = (request, response) => {
      if (request.path !== path) return false
      give(request, response)
      return true
    }
  }

/** Addresses that no client may go to, or send anybody to: programs, files, plain text on the way, the cloud's own metadata. */
const badAddresses = [
  "file:///etc/passwd",
  "javascript:alert(1)",
  "ftp://ftp.example.com/token",
  "calculator:run",
  "http://192.0.2.1/endpoint",
  "http://localhost.example.com/endpoint",
  "https://user:secret@example.com/endpoint",
  "https://169.254.169.254/latest/meta-data",
  "https://[fd00:ec2::254]/latest/meta-data",
  "https://example.com/a b",
  "--help",
]

const addresses: readonly Attack[] = [
  ...["authorization_endpoint", "token_endpoint", "registration_endpoint"].flatMap((name) =>
    badAddresses.map((address) => ({
      what: `${name} ${address}`,
      code: "address-refused",
      arrange: ({ server }: AttackStage) => {
        server.authorization.bend.metadata = (honest) => ({ ...honest, [name]: address })
      },
      isReached: wasAsked(METADATA),
    })),
  ),
  ...badAddresses.map((address) => ({
    what: `an authorization server at ${address}`,
    code: "address-refused",
    arrange: ({ server }: AttackStage) => {
      server.bendMetadata = (honest) => ({ ...honest, authorization_servers: [address] })
    },
    isReached: askedResource,
  })),
  ...badAddresses.slice(0, -1).map((address) => ({
    what: `a challenge whose resource_metadata is ${address}`,
    code: "address-refused",
    arrange: ({ server }: AttackStage) => {
      server.bendChallenge = () => `Bearer resource_metadata="${address}"`
    },
    isReached: ({ server }: AttackStage) => server.visits.length > 0,
  })),
]

const nearMisses: readonly ((issuer: string) => string)[] = [
  (issuer) => `${issuer}/`,
  (issuer) => issuer.replace("127.0.0.1", "localhost"),
  (issuer) => issuer.replace("http:", "HTTP:"),
  (issuer) => `${issuer}/other`,
  (issuer) => issuer.replace(/\d+$/, (port) => String(Number(port) + 1)),
]

const metadata: readonly Attack[] = [
  {
    what: "protected-resource metadata of another server",
    code: "oauth-resource-mismatch",
    arrange: ({ server, elsewhere }) => {
      server.bendMetadata = (honest) => ({ ...honest, resource: `${elsewhere.origin}/mcp` })
    },
    isReached: askedResource,
  },
  ...nearMisses.map((miss) => ({
    what: `metadata of the issuer ${miss("http://127.0.0.1:1")} where http://127.0.0.1:1 was asked`,
    code: "oauth-issuer-mismatch",
    arrange: ({ server }: AttackStage) => {
      server.authorization.bend.metadata = (honest) => ({ ...honest, issuer: miss(server.authorization.issuer) })
    },
    isReached: wasAsked(METADATA),
  })),
  ...[undefined, [], ["plain"], "S256"].map((methods) => ({
    what: `code_challenge_methods_supported of ${JSON.stringify(methods)}`,
    code: typeof methods === "string" ? "oauth-metadata-invalid" : "oauth-pkce-missing",
    arrange: ({ server }: AttackStage) => {
      server.authorization.bend.metadata = (honest) => ({ ...honest, code_challenge_methods_supported: methods })
    },
    isReached: wasAsked(METADATA),
  })),
]

const documents: readonly Attack[] = [
  {
    what: "metadata of 2 MiB",
    code: "answer-too-large",
    arrange: answerAt(METADATA, () => (_, response) => json(response, { padding: "x".repeat(2 << 20) })),
    isReached: wasAsked(METADATA),
  },
  {
    what: "metadata of 64 MiB that came as 64 KiB",
    code: "answer-too-large",
    arrange: answerAt(METADATA, () => {
      const bomb = gzipSync(Buffer.alloc(64 << 20, 0x20))
      return (_, response) => void response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(bomb)
    }),
    isReached: wasAsked(METADATA),
  },
  {
    what: "metadata without an end",
    code: "answer-too-large",
    arrange: answerAt(METADATA, () => (_, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      const more = (): void => {
        while (!response.destroyed && response.write(" ".repeat(64 * 1024)));
        if (!response.destroyed) response.once("drain", more)
      }
      more()
    }),
    isReached: wasAsked(METADATA),
  },
  {
    what: "metadata that drips",
    code: "answer-too-slow",
    arrange: answerAt(METADATA, () => (_, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      const drip = setInterval(() => response.write(" "), 200)
      response.on("close", () => clearInterval(drip))
    }),
    isReached: wasAsked(METADATA),
  },
  {
    what: "metadata of 100,000 levels",
    code: "answer-too-deep",
    arrange: answerAt(METADATA, () => (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)
    }),
    isReached: wasAsked(METADATA),
  },
  ...[301, 302, 303, 307, 308].map((status) => ({
    what: `metadata that is moved to another origin with ${status}`,
    code: "oauth-metadata-missing",
    arrange: ({ server, elsewhere }: AttackStage) => {
      server.authorization.handler = ({ path }, response) => {
        if (!path.includes("/.well-known/")) return false
        response.writeHead(status, { location: `${elsewhere.origin}${path}` }).end()
        return true
      }
    },
    isReached: wasAsked(METADATA),
  })),
]

const registrations: readonly Attack[] = [
  {
    what: "a registration with another redirect address",
    code: "oauth-registration-refused",
    arrange: ({ server, elsewhere }) => {
      server.authorization.bend.registration = (honest) => ({ ...honest, redirect_uris: [`${elsewhere.origin}/callback`] })
    },
    isReached: wasAsked("/register"),
  },
  {
    what: "a registration without an id",
    code: "oauth-registration-refused",
    arrange: ({ server }) => {
      server.authorization.bend.registration = (honest) => ({ ...honest, client_id: undefined })
    },
    isReached: wasAsked("/register"),
  },
  ...[301, 302, 307, 308].map((status) => ({
    what: `a registration that is moved to another origin with ${status}`,
    code: "oauth-registration-refused",
    arrange: answerAt("/register", ({ elsewhere }) => (_, response) => {
      response.writeHead(status, { location: `${elsewhere.origin}/register` }).end()
    }),
    isReached: wasAsked("/register"),
  })),
]

const callbacks: readonly Attack[] = [
  {
    what: "an answer of another issuer",
    code: "oauth-issuer-mismatch",
    arrange: ({ server, elsewhere }) => {
      server.authorization.bend.callback = (to) => (to.searchParams.set("iss", elsewhere.origin), to)
    },
    isReached: wasAsked("/authorize"),
  },
  {
    what: "an answer without the issuer that was announced",
    code: "oauth-issuer-mismatch",
    arrange: ({ server }) => {
      server.authorization.bend.callback = (to) => (to.searchParams.delete("iss"), to)
    },
    isReached: wasAsked("/authorize"),
  },
  {
    what: "a refusal of another issuer",
    code: "oauth-issuer-mismatch",
    arrange: ({ server, elsewhere }) => {
      server.authorization.bend.callback = (to) => {
        to.searchParams.delete("code")
        to.searchParams.set("error", "access_denied")
        to.searchParams.set("iss", elsewhere.origin)
        return to
      }
    },
    isReached: wasAsked("/authorize"),
  },
  {
    what: "a refusal with control characters",
    code: "oauth-consent-refused",
    arrange: ({ server }) => {
      server.authorization.bend.callback = (to) => {
        to.searchParams.delete("code")
        to.searchParams.set("error", "access_denied")
        to.searchParams.set("error_description", CONTROLS)
        return to
      }
    },
    isReached: wasAsked("/authorize"),
  },
]

/** C0, C1, bidi, a title for the terminal, a link that lies, markup. */
export const CONTROLS = "a\u0000b\u0007\u001b]0;title\u0007\u001b]8;;http://x\u0007\u009b31m\u202e\u2066\r\n<script>alert(1)</script>"

const tokenFields: readonly (readonly [what: string, change: Record<string, unknown>])[] = [
  ["a token of an unknown type", { token_type: "mac" }],
  ["a token without a type", { token_type: undefined }],
  ["a token with a line break", { access_token: "abc\r\nX-Injected: yes" }],
  ["a token that is a number", { access_token: 12345678 }],
  ["no token", { access_token: undefined }],
  ["an empty token", { access_token: "" }],
  ["a refresh token with a line break", { refresh_token: "abc\r\ndef" }],
  ["a refresh token that is a list", { refresh_token: ["abc"] }],
]

const tokens: readonly Attack[] = [
  ...tokenFields.map(([what, change]) => ({
    what,
    code: "oauth-token-invalid",
    arrange: ({ server }: AttackStage) => {
      server.authorization.bend.token = (honest) => ({ ...honest, ...change })
    },
    isReached: wasAsked("/token"),
  })),
  ...[301, 302, 303, 307, 308].map((status) => ({
    what: `a token endpoint that is moved to another origin with ${status}`,
    code: "oauth-token-refused",
    arrange: answerAt("/token", ({ elsewhere }) => (_, response) => {
      response.writeHead(status, { location: `${elsewhere.origin}/token` }).end()
    }),
    isReached: wasAsked("/token"),
  })),
  {
    what: "a page of a captive portal in the place of a token",
    code: "oauth-token-refused",
    arrange: answerAt(
      "/token",
      () => (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<h1>Log in</h1>"),
    ),
    isReached: wasAsked("/token"),
  },
  {
    what: "an error with the status 200",
    code: "oauth-token-refused",
    arrange: answerAt("/token", () => (_, response) => json(response, { error: "server_error", error_description: CONTROLS })),
    isReached: wasAsked("/token"),
  },
  {
    what: "an error whose description holds control characters",
    code: "oauth-token-refused",
    arrange: answerAt("/token", () => (_, response) => json(response, { error: "invalid_request", error_description: CONTROLS }, 400)),
    isReached: wasAsked("/token"),
  },
]

const afterPerson = [...callbacks, ...tokens].map((attack) => ({ ...attack, asksPerson: true as const }))

export const attacks: readonly Attack[] = [...addresses, ...metadata, ...documents, ...registrations, ...afterPerson]
