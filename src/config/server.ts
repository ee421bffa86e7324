/** One configured MCP server, as the rest of the house sees it: texts as written, nothing expanded yet. */

/** Where an entry stands. `file` is a file named on the command line by `--config`. */
export type Scope = "user" | "project" | "local" | "file"

/** A label that a person gives; it decides nothing by itself. */
export type EnvironmentLabel = "dev" | "staging" | "prod"

interface ServerEntry {
  readonly name: string
  readonly scope: Scope
  /** The file that the entry stands in. */
  readonly file: string
  /** False for a project file that was found because of the folder one stands in and that nobody approved as it is now. */
  readonly trusted: boolean
  /** The file was approved once, and it or a file that it names has changed since. Never true for a trusted server. */
  readonly changedSinceApproval?: boolean
  readonly enabled: boolean
  readonly environment?: EnvironmentLabel
  /** Longest silence while an answer is owed, in milliseconds (the key `timeout`, as other clients spell it). */
  readonly timeoutMs?: number
}

/** A server that is reached over HTTP. Texts may hold `${VAR}`, `${VAR:-default}` and `${vault:NAME}`. */
export interface HttpServer extends ServerEntry {
  readonly transport: "http" | "sse"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** A command line that prints a JSON object of headers (the key `headersHelper`, as Claude Code spells it). */
  readonly headersHelper?: string
  /** Longest silence on an answer's stream that was cut and taken up again, in milliseconds (the key `resumeTimeout`, in seconds). */
  readonly resumeTimeoutMs?: number
  /** Present: requests are signed for AWS (Signature Version 4). */
  readonly aws?: AwsSettings
  /** Present: Postern signs in by OAuth. Absent, it still does where the server asks for it and no other proof is configured. */
  readonly oauth?: OAuthSettings
  /** The identity that the server must be reached with; another one refuses before anything is sent. */
  readonly pin?: Pin
  /** Files in PEM form; a relative path begins at the folder of `file`. */
  readonly tls?: TlsSettings
  /** What the server leads to (its sign-in server, for example) may be on private addresses and on this machine. */
  readonly allowPrivate?: boolean
}

/** Certificates for the connections of one server. Texts may hold `${VAR}` and `${VAR:-default}`. */
export interface TlsSettings {
  /** Authorities that are known beside those of the system. */
  readonly ca?: string
  /** Our own certificate; its key lies in the same file unless `key` is there. */
  readonly cert?: string
  readonly key?: string
}

/** How requests are signed for AWS. All of it is optional: the host and the environment tell the rest. */
export interface AwsSettings {
  /** A profile of the shared AWS files; wins over what the environment names. */
  readonly profile?: string
  /** What signatures are made for, where the host does not tell. */
  readonly region?: string
  readonly service?: string
  /** The ARN of a role that is assumed for this server. */
  readonly assumeRole?: string
  readonly externalId?: string
  readonly sessionName?: string
  /** Of the role's session, in seconds. */
  readonly duration?: number
  /** `read-only`, or a file with a policy: the session may do no more than the role and this. */
  readonly sessionPolicy?: string
  readonly sourceIdentity?: string
  readonly tags?: Readonly<Record<string, string>>
}

/** An identity that is expected. */
export interface Pin {
  /** An AWS account: twelve digits. */
  readonly account?: string
  /** The ARN of an AWS role, or of a user. */
  readonly role?: string
  /** The issuer and the subject of a sign-in (OAuth), with `#` between them. */
  readonly subject?: string
}

/** What a sign-in cannot find out by itself, or is to do otherwise. All of it is optional. */
export interface OAuthSettings {
  /** A client that somebody has registered by hand. */
  readonly clientId?: string
  /** A reference, `${vault:NAME}` or `${VAR}`. */
  readonly clientSecret?: string
  /** The port of the loopback redirect; a free one unless it is set. */
  readonly callbackPort?: number
  readonly redirectHost?: "127.0.0.1" | "localhost" | "[::1]"
  readonly redirectPath?: string
  /** Scopes with blanks between them: exactly these are asked for. */
  readonly scopes?: string
  /** Where the authorization server's metadata is, if the server does not say it. */
  readonly authServerMetadataUrl?: string
  /** A hosted description of this client, whose address is its id. */
  readonly clientMetadataUrl?: string
  /** The `resource` parameter (RFC 8707), word by word; `omit` leaves it out. */
  readonly resource?: string
  /** More parameters of the authorization request. */
  readonly authorizeParams?: Readonly<Record<string, string>>
  /** Departures from the specifications that are accepted for this server. */
  readonly dialects?: readonly OAuthDialect[]
  /** Whose sign-in it is, where one server has several accounts; the server's name unless it is set. */
  readonly account?: string
  readonly grant?: OAuthGrant
}

/** See docs/configuration.md. */
export type OAuthDialect = "lenient-issuer" | "unannounced-pkce" | "no-resource-check"
/** How a token is come by. */
export type OAuthGrant = "authorization_code"

/** A server that is started as a local process. Texts may hold `${VAR}`, `${VAR:-default}` and, in `env`, `${vault:NAME}`. */
export interface StdioServer extends ServerEntry {
  readonly transport: "stdio"
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Any configured server. */
export type Server = HttpServer | StdioServer
