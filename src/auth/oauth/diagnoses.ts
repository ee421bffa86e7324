/** Why a sign-in does not come about, or a grant cannot be used. */
import { type Findable, serverCommand } from "../../config/server-command.ts"
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand, shellWord } from "../../core/shell.ts"

export * from "./discovery-diagnoses.ts"

/** There is no grant, or none that a refresh can make good (RFC 6749 section 5.2); `why` says it as the end of a sentence. */
export const oauthSignInNeeded = defineDiagnosis({
  code: "oauth-sign-in-needed",
  about:
    "The server lets in who has signed in (OAuth), and there is no sign-in that is still good: nobody has signed in yet, the server has ended it, or it cannot be renewed without a person. What is told as the reason is what the server said; a network that is down is never one.",
  kind: "sign-in",
  tell: ({ server, why, issuer, next }: { server: Findable; why: string; issuer?: string | undefined; next?: string | undefined }) => ({
    cause: `The server "${quote(server.name)}" needs a sign-in: ${quote(why)}.`,
    evidence: [
      ...(issuer === undefined ? [] : [`issuer: ${quote(issuer)}`]),
      "nothing was lost: the call can be made again after the sign-in",
    ],
    next: next ?? serverCommand("auth", server),
  }),
})

/** 403 with `insufficient_scope`; `scopes` are missing, `all` is what is asked for next: those and what was agreed to before (S51). */
export const oauthScopeNeeded = defineDiagnosis({
  code: "oauth-scope-needed",
  about:
    "The server answered that the sign-in does not cover this (403, `insufficient_scope`). A refresh cannot widen it, so a person has to agree once more, to what was agreed before and what is missing. Where that was tried and the server still is not content, it is told as refused.",
  kind: "sign-in",
  tell: ({ server, scopes, all }: { server: Findable; scopes: readonly string[]; all: readonly string[] }) => ({
    cause: `The sign-in to "${quote(server.name)}" does not cover this call: ${quote(scopes.join(" ")) || "more"} is missing.`,
    evidence: [`asked for next: ${quote(all.join(" "), 400)}`],
    next: serverCommand("auth", server, `--scopes ${shellWord(all.join(" "))}`), // a scope may hold what a shell runs
  }),
})

/** As `oauth-scope-needed`, but a person was asked for the same in this session, or three times, or it is more than 100 scopes. */
export const oauthScopeRefused = defineDiagnosis({
  code: "oauth-scope-refused",
  about:
    "The server keeps asking for more scopes, though a person was asked for them in this session. Postern stops asking: an endless chain of sign-ins helps nobody. The account may not be allowed to have them.",
  tell: ({ server, scopes }: { server: string; scopes: readonly string[] }) => ({
    cause: `The server "${quote(server)}" still is not content with the scopes of the sign-in.`,
    evidence: [`it asks for: ${quote(scopes.join(" "), 400) || "something that it does not name"}`],
    next: "ask the server's owner whether this account may have them",
  }),
})

/** A 403 whose challenge is none of `insufficient_scope`; `subject` is the client's id where the grant names nobody. */
export const oauthAccessDenied = defineDiagnosis({
  code: "oauth-access-denied",
  about: "The server knows who one is and answers 403 without asking for more scopes: this account may not do this there.",
  tell: ({ server, subject, status }: { server: string; subject: string; status: number }) => ({
    cause: `The server "${quote(server)}" does not let ${quote(subject)} do this.`,
    evidence: [`answer: HTTP ${status}`],
    next: "ask the server's owner; another account signs in with postern auth NAME --fresh",
  }),
})

/** What the vault holds does not fit the schema of a grant; `fault` is the path of the member, never its value. */
export const grantUnreadable = defineDiagnosis({
  code: "grant-unreadable",
  about: "A sign-in in the vault is not as this version writes it. A newer Postern may have written it; it is left as it is.",
  tell: ({ name, fault }: { name: string; fault: string }) => ({
    cause: `The sign-in ${name} in the vault cannot be read.`,
    evidence: [`at fault: ${quote(fault)}`, "it was left as it is"],
    next: `update Postern; or ${posternCommand("vault remove", name)}, and sign in again`,
  }),
})

/** Told by `AuthTools.tell` when the first try to store fails, and thrown by nobody: the call goes on. */
export const oauthGrantNotStored = defineDiagnosis({
  code: "oauth-grant-not-stored",
  about:
    "A renewed sign-in could not be written to the vault: the disk is full, or the folder cannot be written any more. The renewed token is kept in memory and used, and writing is tried again until it works; if the process ends before that, a person has to sign in again.",
  tell: ({ server, cause }: { server: string; cause: string }) => ({
    cause: `The renewed sign-in to "${quote(server)}" could not be stored yet.`,
    evidence: [quote(cause), "it is used from memory, and storing is tried again"],
    next: "make room, or make the folder writable again",
  }),
})

/** `postern auth NAME --issuer URL` names an authorization server that the server does not name. */
export const oauthIssuerUnknown = defineDiagnosis({
  code: "oauth-issuer-unknown",
  about:
    "`--issuer` names an authorization server that the MCP server does not. Nobody is sent there: who may let one in is for the server to say.",
  kind: "usage",
  tell: ({ server, issuer, named }: { server: Findable; issuer: string; named: readonly string[] }) => ({
    cause: `The server "${quote(server.name)}" does not name the authorization server ${quote(issuer)}.`,
    evidence: [`it names: ${named.map((one) => quote(one)).join(", ")}`, "nobody was sent there"],
    next: serverCommand("auth", server, `--issuer ${shellWord(named[0] ?? "")}`),
  }),
})

/** Told after the four ways were tried; `missing` has one line for each, `redirect` is the address to register. */
export const oauthClientMissing = defineDiagnosis({
  code: "oauth-client-missing",
  about:
    "Before anybody can sign in, the authorization server has to know Postern as a client. There are four ways, tried in this order: a client registered by hand (`--client-id`), a hosted document (`--client-metadata-url`, where the server takes it), dynamic registration (where the server has it), or a person who knows an id. None of them is there.",
  tell: ({ server, issuer, redirect, missing }: { server: Findable; issuer: string; redirect: string; missing: readonly string[] }) => ({
    cause: `The authorization server of "${quote(server.name)}" does not know Postern, and there is no way to make itself known.`,
    evidence: [`issuer: ${quote(issuer)}`, ...missing, `redirect address to register: ${redirect}`],
    next: `register a client there by hand, then: ${serverCommand("auth", server, "--client-id ID")}`,
  }),
})

/** `said` is what the server said, or what is wrong with the client that it gave (RFC 7591 section 3.2). */
export const oauthRegistrationRefused = defineDiagnosis({
  code: "oauth-registration-refused",
  about: "The authorization server offers dynamic registration (RFC 7591), and refused this one or answered with something unusable.",
  tell: ({ server, address, said }: { server: Findable; address: string; said: string }) => ({
    cause: `The registration at ${quote(address)} was refused.`,
    evidence: [quote(said)],
    next: `register a client there by hand, then: ${serverCommand("auth", server, "--client-id ID")}`,
  }),
})

/** `invalid_client` (RFC 6749 section 5.2); told of a kept registration only if it was made anew and is refused again. */
export const oauthClientRefused = defineDiagnosis({
  code: "oauth-client-refused",
  about:
    "The authorization server does not accept the client itself (`invalid_client`): its id is not known there, or its secret is wrong or has ended.",
  tell: ({ server, client, said }: { server: Findable; client: string; said: string }) => ({
    cause: `The authorization server of "${quote(server.name)}" does not accept the client ${quote(client, 80)}.`,
    evidence: [quote(said)],
    next: serverCommand("auth", server, "--fresh"),
  }),
})

/** Told of the last port that may be used, before the browser is opened; `fault` is the system's error. */
export const oauthPortTaken = defineDiagnosis({
  code: "oauth-port-taken",
  about:
    "The port that the sign-in must come back to is in use. It is never replaced by another one: the authorization server knows this one.",
  tell: ({ host, port, fault }: { host: string; port: number; fault: string }) => ({
    cause: `The port ${port} on ${host} cannot be listened on.`,
    evidence: [quote(fault), "the browser was not opened"],
    next: `end what uses it (ss -ltnp 'sport = :${port}'), or set another --callback-port`,
  }),
})

/** `error` of the redirect (RFC 6749 section 4.1.2.1), or `access_denied` of the device flow (RFC 8628 section 3.5). */
export const oauthConsentRefused = defineDiagnosis({
  code: "oauth-consent-refused",
  about: "The authorization server sent the browser back with an error instead of a code: the person said no, or the server did.",
  tell: ({ server, error, said }: { server: Findable; error: string; said: string }) => ({
    cause: `The sign-in to "${quote(server.name)}" was refused (${quote(error, 60)}).`,
    evidence: [said === "" ? "the authorization server gave no reason" : `it said: ${quote(said)}`, "a former sign-in is as it was"],
    next: serverCommand("auth", server),
  }),
})

/** `limitMs`: ten minutes in the browser, or the life of the device code, in milliseconds. */
export const oauthSignInTimeout = defineDiagnosis({
  code: "oauth-sign-in-timeout",
  about: "Nobody came back from the browser within the limit. A former sign-in is as it was.",
  tell: ({ server, limitMs }: { server: Findable; limitMs: number }) => ({
    cause: `Nobody signed in to "${quote(server.name)}" within ${Math.round(limitMs / 60_000)} minutes.`,
    evidence: ["a former sign-in is as it was"],
    next: `${serverCommand("auth", server)}; if the page showed an error instead of a sign-in: ${serverCommand("auth", server, "--fresh")}`,
  }),
})

/** A refusal of the token endpoint that has no diagnosis of its own; `error` and `said` as in RFC 6749 section 5.2. */
export const oauthTokenRefused = defineDiagnosis({
  code: "oauth-token-refused",
  about:
    "The token endpoint of the authorization server did not give a token, for a reason that no sign-in mends by itself: it is overloaded, broken, or does not like the request. The sign-in is as it was, and is tried again with the next call.",
  tell: ({ issuer, status, error, said }: { issuer: string; status: number; error?: string | undefined; said?: string | undefined }) => ({
    cause: `The authorization server ${quote(issuer)} gave no token${error === undefined ? "" : ` (${quote(error, 60)})`}.`,
    evidence: [`answer: HTTP ${status}`, ...(said === undefined ? [] : [`it said: ${quote(said)}`]), "the sign-in was left as it is"],
    next: "try again in a while; if it stays so, sign in again: postern auth NAME",
  }),
})

/** `field` is the member at fault; its value may be a secret, so it is not told. */
export const oauthTokenInvalid = defineDiagnosis({
  code: "oauth-token-invalid",
  about:
    "The token endpoint answered with something that is no token as RFC 6749 section 5.1 and RFC 6750 have it. Nothing of it is used or stored.",
  tell: ({ issuer, field }: { issuer: string; field: string }) => ({
    cause: `The answer of the authorization server ${quote(issuer)} is no token: ${quote(field)}.`,
    evidence: [`at fault: ${quote(field)}`, "its value is not shown", "nothing was stored"],
    next: "tell the server's owner",
  }),
})

/** A 401 or 403 to the first request with a token that was just given; `challenge` is its `WWW-Authenticate`, as sent. */
export const oauthTokenNotAccepted = defineDiagnosis({
  code: "oauth-token-not-accepted",
  about:
    "The sign-in went well, and the server refused the very first request with the new token. So it is not told as a success, and a former sign-in stays. Often the token was made for another audience.",
  tell: ({ server, status, issuer, challenge }: { server: Findable; status: number; issuer: string; challenge: string }) => ({
    cause: `The server "${quote(server.name)}" does not accept the token that ${quote(issuer)} has just given.`,
    evidence: [
      `answer: HTTP ${status}`,
      ...(challenge === "" ? [] : [`it asks for: ${quote(challenge)}`]),
      "a former sign-in is as it was",
    ],
    next: `check what the token is for: ${serverCommand("get", server)}; some servers want --resource omit, or another --resource`,
  }),
})

/** `pinned` and `found` are issuer and subject with `#` between them. */
export const oauthSubjectMismatch = defineDiagnosis({
  code: "oauth-subject-mismatch",
  about:
    "The server is pinned to one identity (`pin.subject`), and the sign-in is another one's. Nothing was sent to the server, and nothing stored.",
  kind: "guard",
  tell: ({ server, pinned, found }: { server: Findable; pinned: string; found: string }) => ({
    cause: `"${quote(server.name)}" is to be reached as ${quote(pinned)}, and this sign-in is ${quote(found)}.`,
    evidence: [`pinned: ${quote(pinned)}`, `signed in: ${quote(found)}`, "nothing was sent"],
    next: `${serverCommand("auth", server)}, as the right person`,
  }),
})

/** Told as a remark by `postern logout`, which succeeds: the vault has forgotten the grant by then. */
export const oauthRevocationFailed = defineDiagnosis({
  code: "oauth-revocation-failed",
  about:
    "The grant was forgotten here, and could not be revoked at the authorization server (RFC 7009): it has no endpoint for that, could not be reached, or refused. Tokens that somebody has copied are good until they end.",
  tell: ({ issuer, why }: { issuer: string; why: string }) => ({
    cause: `The sign-in could not be revoked at ${quote(issuer)}.`,
    evidence: [quote(why)],
    next: `revoke it in the account settings of ${quote(issuer)}`,
  }),
})
