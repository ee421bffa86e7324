/** Why it is not found out where one signs in for a server, or what is found is not to be trusted. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand, shellWord } from "../../core/shell.ts"

/** An authorization server that the server or the entry names has none; `tried` are the addresses, in the order of S34. */
export const oauthMetadataMissing = defineDiagnosis({
  code: "oauth-metadata-missing",
  about:
    "The server wants an OAuth token, and does not say in any of the places of the specification where one signs in: not in its challenge, not in its protected-resource metadata (RFC 9728), not in the metadata of an authorization server (RFC 8414, OpenID Connect Discovery).",
  tell: ({ of, tried }: { of: string; tried: readonly string[] }) => ({
    cause: `There is no metadata of ${quote(of)}.`,
    evidence: tried.map((one) => quote(one)),
    next: 'if its documentation names the address, set "oauth": {"authServerMetadataUrl": "https://…"} in the entry',
  }),
})

/** `fault` is what is wrong, or what is missing: also an endpoint, or the code that the browser should have brought. */
export const oauthMetadataInvalid = defineDiagnosis({
  code: "oauth-metadata-invalid",
  about: "Metadata of a server or of its authorization server is not what the specification asks for, so nothing of it is used.",
  tell: ({ address, fault }: { address: string; fault: string }) => ({
    cause: `The metadata at ${quote(address)} cannot be used: ${quote(fault)}.`,
    evidence: [`address: ${quote(address)}`, "nobody was sent there"],
    next: "tell the server's owner",
  }),
})

/** A place of the metadata answers with a 5xx. */
export const oauthMetadataUnavailable = defineDiagnosis({
  code: "oauth-metadata-unavailable",
  about: "The place of the metadata is there and cannot answer now. Postern does not look elsewhere: it might find another server's.",
  tell: ({ address, status }: { address: string; status: number }) => ({
    cause: `The metadata at ${quote(address)} cannot be had now (HTTP ${status}).`,
    evidence: [`answer: HTTP ${status}`],
    next: "try again in a while",
  }),
})

/** `resource` is not the server's address nor above it, and the dialect `no-resource-check` is not set (S32). */
export const oauthResourceMismatch = defineDiagnosis({
  code: "oauth-resource-mismatch",
  about:
    "The protected-resource metadata names another server than the one that is configured (RFC 9728 section 3.3). A token for it could be used there, so nobody is sent to sign in.",
  kind: "guard",
  tell: ({ server, url, resource }: { server: string; url: string; resource: string }) => ({
    cause: `The metadata of "${quote(server)}" is for another server.`,
    evidence: [`configured: ${quote(url)}`, `metadata for: ${quote(resource)}`, "nobody was sent there"],
    next: "check the address; if the server's owner confirms it: --dialect no-resource-check",
  }),
})

/** Compared to the letter, or by the origin where nothing named the issuer (S35, S36); `where` says what named the wrong one. */
export const oauthIssuerMismatch = defineDiagnosis({
  code: "oauth-issuer-mismatch",
  about:
    "The authorization server's metadata, or its answer in the browser, names another issuer than the one that was asked (RFC 8414 section 3.3, RFC 9207). That is how one server passes for another, so nothing of it is used.",
  kind: "guard",
  tell: ({ expected, found, where }: { expected: string; found: string; where: string }) => ({
    cause: `The issuer is not the one that was asked: ${quote(where)}.`,
    evidence: [`asked: ${quote(expected)}`, `named: ${quote(found)}`],
    next: "tell the server's owner; if they confirm it: --dialect lenient-issuer",
  }),
})

/** Not told of a server that has no resource metadata and says nothing of PKCE at all: such servers are older than that rule. */
export const oauthPkceMissing = defineDiagnosis({
  code: "oauth-pkce-missing",
  about:
    "The authorization server does not announce PKCE with S256, which keeps a stolen code from being of use. The MCP specification asks clients to refuse then. For a server that has it and only fails to say so there is a switch.",
  kind: "guard",
  tell: ({ server, issuer, found }: { server: string; issuer: string; found: string }) => ({
    cause: `The authorization server of "${quote(server)}" does not announce PKCE with S256.`,
    evidence: [`issuer: ${quote(issuer)}`, `code_challenge_methods_supported: ${quote(found)}`],
    next: `if it has it all the same: ${posternCommand("add", server, "--dialect unannounced-pkce …")}`,
  }),
})

/** No metadata; and no challenge and a status other than 401, so that the fixed places of S36 are not worth a guess, or the guess was wrong. */
export const oauthNotOffered = defineDiagnosis({
  code: "oauth-not-offered",
  about:
    "A sign-in was asked for, and the server publishes nowhere where one could be made: it answers everybody, or it wants a key in a header. A server that answers 401 may be of the revision of 2025-03-26, whose endpoints stand at fixed places; a client could not be registered there either.",
  tell: ({ server, url, status, guess }: { server: string; url: string; status?: number | undefined; guess?: string }) => ({
    cause: `The server "${quote(server)}" offers no sign-in.`,
    evidence: [
      ...(status === undefined ? [] : [`a request without proof was answered: HTTP ${status}`]),
      "no metadata of an authorization server was found",
      ...(guess === undefined ? [] : [quote(guess)]),
    ],
    next: `if it wants a key: ${posternCommand("remove", server)}, then ${posternCommand("add", server, `--header 'Authorization: Bearer -' ${shellWord(url)}`)}`,
  }),
})
