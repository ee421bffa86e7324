/** What can go wrong between a client and a server, apart from the connection itself (`core/http-failures.ts`). */
import { defineDiagnosis } from "../core/diagnosis.ts"
import { quote, quoteAddress } from "../core/redact.ts"

/** A line of the client that is no message; told under its id where one can be made out. */
export const messageMalformed = defineDiagnosis({
  code: "message-malformed",
  about: "A line on standard input is not a JSON-RPC message. Each message is one line of JSON.",
  tell: ({ detail }: { detail: string }) => ({ cause: "A line from the client is not a JSON-RPC message.", evidence: [quote(detail)] }),
})

/** A message of the client over the limit; it was dropped while it arrived. */
export const messageTooLarge = defineDiagnosis({
  code: "message-too-large",
  about: "One message is longer than a frame may be. It was not sent; other messages go on.",
  tell: ({ maxBytes }: { maxBytes: number }) => ({
    cause: `A message from the client is longer than the limit of ${maxBytes} bytes.`,
    evidence: ["it was not sent"],
  }),
})

/** A request over the limit; those that are pending go on. */
export const tooManyPending = defineDiagnosis({
  code: "too-many-pending",
  about:
    "A client waits for more answers at once than one bridge carries: each request holds a connection to the server. The request was not sent, and those that were sent before go on.",
  tell: ({ server, most }: { server: string; most: number }) => ({
    cause: `The client waits for ${most} answers of "${server}" already; this request was not sent.`,
    evidence: [`limit: ${most} requests without an answer`],
    next: "wait for some of the answers, then ask again",
  }),
})

/** The server is done with a request and has not answered it: whether it ran is not known. */
export const noAnswer = defineDiagnosis({
  code: "no-answer",
  about:
    "The server ended its answer without answering the request: an empty body, a stream that closed, or an answer to another request only.",
  tell: ({ server, method }: { server: string; method: string }) => ({
    cause: `The server "${server}" ended its answer to ${quote(method, 60)} without answering it; the outcome is unknown.`,
    evidence: [],
  }),
})

/** An HTTP status that is no success and no question about identity, with what the server said. */
export const serverRefused = defineDiagnosis({
  code: "server-refused",
  about: "The server answered with an HTTP status that is neither success nor a question about identity.",
  tell: ({ server, status, said }: { server: string; status: number; said: string }) => ({
    cause: `The server "${server}" answered HTTP ${status}.`,
    evidence: said ? [`it said: ${quote(said)}`] : ["it said nothing"],
  }),
})

/** HTTP 429, once waiting is over or was no answer; `retryAfter` is the header as sent (RFC 9110 section 10.2.3), `said` the body. */
export const tooManyRequests = defineDiagnosis({
  code: "too-many-requests",
  about:
    "The server answered HTTP 429: more requests came than it allows in a time. A short Retry-After is waited out once; this is told when there was none, it was long, or it did not help. Nobody's key is wrong.",
  tell: ({ server, retryAfter, said }: { server: string; retryAfter: string | undefined; said: string }) => ({
    cause: `The server "${server}" wants fewer requests (HTTP 429).`,
    evidence: [
      retryAfter === undefined ? "it does not say when to come back" : `come back: ${quote(retryAfter, 40)}`,
      `it said: ${quote(said) || "nothing"}`,
    ],
    next: "wait, then try again",
  }),
})

/** A redirect that is not followed: headers and bodies are credentials. `to` is the `Location` as sent, and never shown as a link; `sent` is what that address got. */
export const redirectRefused = defineDiagnosis({
  code: "redirect-refused",
  about: "The server redirects to another origin, or in a loop. Headers and bodies are credentials, so they are not sent there.",
  kind: "guard",
  tell: ({ from, to, why, sent }: { from: string; to: string; why: string; sent: string }) => ({
    cause: `The server redirects from ${from} to another address, which is not followed: ${why}.`,
    evidence: [quoteAddress(to), sent],
    next: "if that is the server's new address, change the url of its entry",
  }),
})

/** A local server that could not be started, or has ended, with its last words; `look` is the command that shows its entry. */
export const serverExited = defineDiagnosis({
  code: "server-exited",
  about:
    "The local process that is the server could not be started, or ended while a request was pending. The next request starts it again.",
  tell: ({ server, how, stderr, look }: { server: string; how: string; stderr: string; look: string }) => ({
    cause: `The process of the server "${server}" ${how}.`,
    evidence: stderr ? [`it last wrote: ${quote(stderr, 400)}`] : ["it wrote nothing to stderr"],
    next: look,
  }),
})

/** For what is still pending when the bridge is told to end. */
export const bridgeStopping = defineDiagnosis({
  code: "bridge-stopping",
  about: "The bridge was told to end before the server had answered.",
  tell: ({ server }: { server: string }) => ({
    cause: `The bridge to "${server}" ends; this request was not answered in time and its outcome is unknown.`,
    evidence: [],
  }),
})

/** No answer to `initialize` in the time that clients wait for a local server. */
export const initializeTimeout = defineDiagnosis({
  code: "initialize-timeout",
  about: "The server did not answer `initialize` in the time that clients wait for a local server.",
  tell: ({ server, limitMs }: { server: string; limitMs: number }) => ({
    cause: `The server "${server}" did not answer initialize within ${limitMs / 1000} s.`,
    evidence: [],
    next: "check that the server is up, then connect again",
  }),
})

/** The first event of an HTTP+SSE stream names no address that may be used (S1). */
export const endpointRefused = defineDiagnosis({
  code: "endpoint-refused",
  about:
    "A server of the HTTP+SSE transport (revision 2024-11-05) has to name the address for messages in the first event of its stream. It named none in time, or one of another origin, where neither headers nor messages are sent.",
  kind: "guard",
  tell: ({ server, why }: { server: string; why: string }) => ({
    cause: `The server "${server}" does not name a usable address for messages: ${why}.`,
    evidence: ["nothing was sent there"],
    next: 'check the address; if the server speaks Streamable HTTP, set "type" to "http"',
  }),
})

/**
 * Modern words to `initialize`, now or remembered, and `server/discover` names no earlier revision (S21); `said` is empty if remembered.
 */
export const serverOnlyModern = defineDiagnosis({
  code: "server-only-modern",
  about:
    "The client opens with `initialize`, as all revisions before 2026-07-28 do; the server speaks only later ones, which know no such opening. Postern does not translate between the two yet.",
  tell: ({ server, revisions, said }: { server: string; revisions: readonly string[]; said: string }) => ({
    cause: `The server "${server}" speaks only ${revisions.join(", ") || "revisions since 2026-07-28"} of MCP, and this client opens with initialize, as earlier revisions do.`,
    evidence: said ? [`it said: ${quote(said)}`] : [],
    next: "use a client that speaks 2026-07-28 with local servers (Claude Code: set MCP_PROTOCOL_NEGOTIATION=auto)",
  }),
})

/** A modern request met a legacy server, or one of HTTP+SSE; `how` is what showed it. `server/discover` is answered instead (S27). */
export const serverOnlyLegacy = defineDiagnosis({
  code: "server-only-legacy",
  about:
    "The client sent a request of revision 2026-07-28 or later without asking first; the server speaks only earlier ones, which open with `initialize`. A client that speaks both falls back when its `server/discover` is answered with an unknown method.",
  tell: ({ server, revision, how }: { server: string; revision: string; how: string }) => ({
    cause: `The server "${server}" does not understand revision ${quote(revision, 40)} of MCP.`,
    evidence: [quote(how)],
    next: "let the client ask with server/discover first, or open with initialize",
  }),
})
