/** Why a server does not let us in. */
import { type Findable, serverCommand } from "../config/server-command.ts"
import { defineDiagnosis } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { posternCommand } from "../core/shell.ts"

/** A configured header was answered with 401 or 403, also after it was read again. */
export const headerRefused = defineDiagnosis({
  code: "header-refused",
  about:
    "The server answered 401 or 403 to the key it was sent: wrong, expired, revoked, or made for another environment. Postern read the key again before it gave up, and sent it once more if it had been rotated meanwhile.",
  tell: ({ server, header, source, status, next }: { server: string; header: string; source: string; status: number; next: string }) => ({
    cause: `The server "${server}" does not accept the header ${header}.`,
    evidence: [`answer: HTTP ${status}`, `the value came from ${source}`],
    next,
  }),
})

/** The server asks who one is, and the entry has nothing to answer with. */
export const proofMissing = defineDiagnosis({
  code: "proof-missing",
  about:
    "The server wants proof of identity, and its entry has none: no header, no key. The answer's WWW-Authenticate header tells which kind of proof it asks for.",
  kind: "sign-in",
  tell: ({ server, status, challenge }: { server: Findable; status: number; challenge: string | undefined }) => ({
    cause: `The server "${server.name}" wants to know who asks, and no proof of identity is configured for it.`,
    evidence: [
      `answer: HTTP ${status}`,
      challenge ? `it asks for: ${quote(challenge)}` : "it does not say what it asks for",
      `entry in ${server.file}`,
    ],
    next:
      server.scope === "file"
        ? `add the header that it asks for to its entry in ${server.file}`
        : `${posternCommand("remove", server.name)}, then add it again with --header 'Authorization: ${/^\s*basic\b/i.test(challenge ?? "") ? "Basic" : "Bearer"} -'`,
  }),
})

/** 403: the server knows who asks, and does not let them. */
export const accessDenied = defineDiagnosis({
  code: "access-denied",
  about:
    "The server answered 403 to a request without proof of identity: it does not serve this address to anybody, or not to this network.",
  tell: ({ server, status }: { server: string; status: number }) => ({
    cause: `The server "${server}" refuses access, and asks for no proof of identity.`,
    evidence: [`answer: HTTP ${status}`],
    next: "ask the server's owner who may use this address",
  }),
})

/** The headers command ended badly, took too long, or printed something else; what it printed is never shown. */
export const headersCommandFailed = defineDiagnosis({
  code: "headers-command-failed",
  about:
    "The command that prints the headers of a server did not do so: it failed, took longer than 10 s, or printed something else than one JSON object whose values are texts.",
  tell: ({ server, problem, stderr }: { server: string; problem: string; stderr: string }) => ({
    cause: `The headers command of the server "${server}" ${problem}.`,
    evidence: [...(stderr ? [`it wrote to stderr: ${quote(stderr)}`] : []), "nothing was sent"],
    next: 'run the command by itself: it must print one JSON object, for example {"Authorization": "Bearer …"}',
  }),
})

/** A sign-in was asked for where no secret of the vault is behind the proof. */
export const noSecretToAsk = defineDiagnosis({
  code: "no-secret-to-ask",
  about: "The server's entry refers to no secret of the vault, so there is none to ask for or to replace.",
  kind: "usage",
  tell: ({ server, source }: { server: Findable; source: string }) => ({
    cause: `The server "${server.name}" has no secret in the vault.`,
    evidence: [`its proof comes from: ${source}`],
    next: serverCommand("get", server),
  }),
})

/** Headers were to be printed, and none proves who one is. */
export const noHeaders = defineDiagnosis({
  code: "no-headers",
  about:
    "`postern headers` prints the headers that prove who one is. This server is proved otherwise: a local server has no headers, and a signature for AWS is made for each single request.",
  kind: "usage",
  tell: ({ server, why }: { server: Findable; why: string }) => ({
    cause: `The server "${server.name}" has no headers to print: ${why}.`,
    evidence: ["nothing was printed"],
    next: `let the client start it: ${serverCommand("run", server)}`,
  }),
})

/** A question for a person, where there is none. */
export const nobodyToAsk = defineDiagnosis({
  code: "nobody-to-ask",
  about: "Something has to be asked from a person, and there is none who could answer here: standard input is no terminal.",
  kind: "usage",
  tell: ({ question, instead, why = "standard input is no terminal" }: { question: string; instead: string; why?: string }) => ({
    cause: `There is nobody to ask: ${quote(question).replace(/[.?]$/, "")}.`,
    evidence: [why],
    next: instead,
  }),
})

/** A secret was asked for, and nothing came. */
export const secretEmpty = defineDiagnosis({
  code: "secret-empty",
  about: "A secret was asked for and nothing was given. An empty pipe is most often a variable that is not set, or a command that failed.",
  kind: "usage",
  tell: ({ source }: { source: string }) => ({
    cause: `What was to be read from ${source} is empty.`,
    evidence: ["nothing was changed"],
    next: "give it again",
  }),
})
