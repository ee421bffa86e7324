/** Why nothing can be signed, or is not going to be. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand, shellWord } from "../../core/shell.ts"

/** `postern aws whoami` and its like ask for no server. */
const forServer = (server: string): string => (server === "" ? "" : ` for the server "${server}"`)

/** Told before anything is sent, where neither the entry nor the host gives service and region; `missing` says which. */
export const awsEndpointUnknown = defineDiagnosis({
  code: "aws-endpoint-unknown",
  about:
    "The server's host is none whose form tells which AWS service answers there, and in which region: a custom domain, for example. Both are part of a signature, and a wrong guess would be refused with words that do not say so. Give them when the server is added; for a custom domain of API Gateway the service is `execute-api`.",
  kind: "usage",
  tell: ({ server, url, missing }: { server: string; url: URL; missing: { readonly service: boolean; readonly region: boolean } }) => {
    const what = [missing.service ? "service" : "", missing.region ? "region" : ""].filter((word) => word !== "").join(" and ")
    const flags = `${missing.service ? "--service execute-api " : ""}${missing.region ? "--region ap-southeast-1 " : ""}`
    return {
      cause: `The host of the server "${server}" does not tell for which AWS ${what} to sign.`,
      evidence: [`host: ${quote(url.host)}`, "nothing was sent"],
      next: `add it with the ${what} that stand behind it, for example: ${posternCommand("add", server, `--aws ${flags}${shellWord(url.origin + url.pathname)}`)}`,
    }
  },
})

/** Also told of an endpoint of AWS itself that a variable (`AWS_ENDPOINT_URL…`) names with http; `server` is then `AWS (ID)`. */
export const awsUnencrypted = defineDiagnosis({
  code: "aws-unencrypted",
  about:
    "The server of the method aws is reached over http, and is not on this machine. A signature does not hide the request, nor the session token that it carries.",
  kind: "guard",
  tell: ({ server, host }: { server: string; host: string }) => ({
    cause: `The connection to the server "${server}" is not encrypted, so nothing is signed for it.`,
    evidence: [`host: ${quote(host)}`, "nothing was sent"],
    next: "use https:// in its address",
  }),
})

/** Told where two variables name an identity and the entry names no profile; `server` is empty for a command without one. */
export const awsSourcesDisagree = defineDiagnosis({
  code: "aws-sources-disagree",
  about:
    "The environment names two AWS identities, and the tools that read it do not agree on which one counts: the AWS CLI takes the variables with keys, the JavaScript SDK takes the profile. Postern takes none of the two before a person has decided.",
  kind: "guard",
  tell: ({ server, names }: { server: string; names: readonly string[] }) => ({
    cause: `Two AWS identities are set${forServer(server)}, and nothing says which one to use.`,
    evidence: [...names.map((name) => `${name} is set`), "nothing was sent"],
    next: `unset one of them where the client is started, or name a profile in the server's entry (aws.profile)`,
  }),
})

/** Told at the end of the SDK's chain, where the instance was the last that could have given keys. */
export const awsNoCredentials = defineDiagnosis({
  code: "aws-no-credentials",
  about:
    "Nothing on this machine tells who to sign as: no variables, no profile, no container and no instance that gives credentials. If they are set in the shell, the client may have taken them out of what it hands to servers.",
  tell: ({ server, hints }: { server: string; hints: readonly string[] }) => ({
    cause: `There are no AWS credentials to sign with${forServer(server)}.`,
    evidence: [
      "looked for: AWS_PROFILE, AWS_ACCESS_KEY_ID, a profile named default, a web identity, a container, an instance",
      ...hints,
      "nothing was sent",
    ],
    next: "name a profile: AWS_PROFILE where the client is started, or aws.profile in the server's entry",
  }),
})

/** Told before the SDK is asked; `named` is what gave the name, `near` a profile that is spelled much like it. */
export const awsProfileUnknown = defineDiagnosis({
  code: "aws-profile-unknown",
  about: "The AWS profile that is named is in none of the two shared files, so there is nothing to sign with.",
  tell: ({ profile, named, near, files }: { profile: string; named: string; near: string | undefined; files: readonly string[] }) => ({
    cause: `There is no AWS profile "${quote(profile, 80)}"${near === undefined ? "." : `; did you mean "${near}"?`}`,
    evidence: [`the name comes from ${named}`, ...files.map((file) => `looked into ${file}`), "nothing was sent"],
    next: near === undefined ? "aws configure list-profiles" : `name the profile ${near}`,
  }),
})

/** `reason` may hold what a `credential_process` wrote to stderr, and never what it printed: that may be a secret. */
export const awsCredentialsFailed = defineDiagnosis({
  code: "aws-credentials-failed",
  about:
    "The source of the AWS credentials is known, and gave none: a profile that is incomplete, a process that failed, a service that refused. The reason is in the source's own words.",
  tell: ({ source, reason }: { source: string; reason: string }) => ({
    cause: `No AWS credentials could be had from ${source}.`,
    evidence: [`reason: ${quote(reason, 400)}`, "nothing was sent"],
    next: "correct it there; the next call tries again",
  }),
})

/** Told when less than ten seconds are left of the keys after the source was asked again. */
export const awsCredentialsEnded = defineDiagnosis({
  code: "aws-credentials-ended",
  about: "The temporary AWS credentials have ended, and their source gives no newer ones.",
  tell: ({ source, endedAt }: { source: string; endedAt: string }) => ({
    cause: `The AWS credentials from ${source} have ended.`,
    evidence: [`they were valid until ${endedAt}`, "nothing was sent"],
    next: "put newer ones there; a running server takes them up from a file, variables need a restart of the client",
  }),
})

/** Told where a role wants a code and nobody can be asked; `signIn` is the command that asks, undefined where there is none. */
export const awsMfaNeeded = defineDiagnosis({
  code: "aws-mfa-needed",
  about: "The role may only be assumed with a code of the person's MFA device, and such a code is good for one use.",
  kind: "sign-in",
  tell: ({ signIn, device, role }: { signIn: string; device: string; role: string }) => ({
    cause: `To assume the AWS role, a code of the MFA device is needed.`,
    evidence: [`role: ${quote(role)}`, `device: ${quote(device)}`, "nothing was sent"],
    next: signIn,
  }),
})

/** As `awsMfaNeeded`, where there is no entry by whose name a person could give the code. */
export const awsMfaUnasked = defineDiagnosis({
  code: "aws-mfa-unasked",
  about:
    "The role may only be assumed with a code of the person's MFA device. `aws-mcp-proxy` and `aws-role-mcp-proxy` have no prompt, and an MCP client must not be asked for such a code. With an entry, `postern auth NAME` asks for it, and the session serves `postern run NAME` until it ends.",
  tell: ({ device, role }: { device: string; role: string }) => ({
    cause: "To assume the AWS role, a code of the MFA device is needed, and this program can ask nobody for it.",
    evidence: [`role: ${quote(role)}`, `device: ${quote(device)}`, "nothing was sent"],
    next: "add the server with postern add NAME --aws, sign in with postern auth NAME, and start postern run NAME in the client",
  }),
})

/** Told for entries with a pin only: without one, not knowing the caller keeps nothing from being signed. */
export const awsCallerUnknown = defineDiagnosis({
  code: "aws-caller-unknown",
  about:
    "The server's entry pins an AWS account or role, and AWS could not be asked whose credentials these are (GetCallerIdentity). Without the answer nothing is signed.",
  tell: ({ server, source, reason }: { server: string; source: string; reason: string }) => ({
    cause: `It could not be found out who the AWS credentials for the server "${server}" belong to, and an identity is pinned.`,
    evidence: [`they come from ${source}`, `reason: ${quote(reason, 400)}`, "nothing was sent to the server"],
    next: "the next call asks again",
  }),
})

/** Told once for the first pin that does not hold, the account or the role. */
export const awsPinMismatch = defineDiagnosis({
  code: "aws-pin-mismatch",
  about:
    "The credentials at hand belong to another AWS account or role than the one that the server's entry pins. Nothing was signed with them.",
  kind: "guard",
  tell: (seen: { server: string; what: "account" | "role"; pinned: string; found: string; source: string }) => ({
    cause: `The AWS ${seen.what} is not the one that the server "${seen.server}" must be reached with.`,
    evidence: [
      `pinned: ${quote(seen.pinned)}`,
      `found: ${quote(seen.found)}`,
      `the credentials come from ${seen.source}`,
      "nothing was sent to the server",
    ],
    next: "choose the right profile or keys; a running server takes them up by itself",
  }),
})

/** Told for each request until a person confirms the new identity (`howToConfirm`) or the old one is back. */
export const awsIdentityChanged = defineDiagnosis({
  code: "aws-identity-changed",
  about:
    "The AWS credentials at hand changed in mid-session, and now belong to another account or role, or nobody can tell. What was begun as one identity is not gone on with as another before a person has said so.",
  kind: "guard",
  tell: (seen: { server: string; before: string; now: string; source: string; next: string }) => ({
    cause: `The AWS identity for the server "${seen.server}" is another one now.`,
    evidence: [
      `before: ${quote(seen.before)}`,
      `now: ${quote(seen.now)}`,
      `the credentials come from ${seen.source}`,
      "nothing was signed with it",
    ],
    next: seen.next,
  }),
})

/** The plain form of a refusal (`AwsCallError`): told where no rule knows more of the cause. */
export const awsCallFailed = defineDiagnosis({
  code: "aws-call-failed",
  about: "A service of AWS itself (STS, for example) refused what Postern asked of it, or did not answer as it should.",
  tell: ({ action, status, code, message }: { action: string; status: number; code: string; message: string }) => ({
    cause: `AWS refused ${action}${code === "" ? "" : ` (${quote(code, 80)})`}.`,
    evidence: [`answer: HTTP ${status}`, ...(message === "" ? [] : [`it said: ${quote(message, 400)}`])],
  }),
})

/** The file is missing, holds no JSON, or is longer than STS takes. */
export const awsPolicyUnusable = defineDiagnosis({
  code: "aws-policy-unusable",
  about:
    "The file that is to narrow the session of a role (aws.sessionPolicy) cannot be used, so the role is not assumed: without it the session could do more than was asked for.",
  tell: ({ path, problem }: { path: string; problem: string }) => ({
    cause: "The policy for the session of the AWS role cannot be used.",
    evidence: [`file: ${quote(path)}`, problem, "nothing was sent"],
    next: "correct the file; the next call reads it again",
  }),
})
