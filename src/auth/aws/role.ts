/**
 * Roles: an identity that is lent for an hour.
 *
 * One session serves everybody on this machine who asks for the same role from the same identity: it lies in the vault, and is renewed
 * under its own lease, so however many calls and processes wait, one AssumeRole is made. Where the vault cannot be used, the session
 * lives in this process; it never lies in a plain file.
 */
import { createHash } from "node:crypto"
import { PosternError } from "../../core/diagnosis.ts"
import type { Redactor } from "../../core/redact.ts"
import type { KeptSecret, Vault } from "../../vault/vault.ts"
import type { AwsCredentials } from "./credentials.ts"
import { awsMfaNeeded, awsMfaUnasked } from "./diagnoses.ts"
import type { AwsKeys } from "./sign.ts"
import { askSts, requireElement, stsEndpoint, type StsTools } from "./sts.ts"

/** A role, and how it is assumed. */
export interface RoleRequest {
  readonly role: string
  readonly sessionName: string
  readonly externalId?: string | undefined
  readonly durationSeconds?: number | undefined
  readonly sourceIdentity?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** JSON; the session may do no more than the role and this. */
  readonly policy?: string | undefined
  /** Managed policies that do the same. */
  readonly policyArns?: readonly string[] | undefined
  /** Of the MFA device that the role's trust policy asks for. */
  readonly mfaDevice?: string | undefined
  /** The proof, where it is no signature. */
  readonly webIdentityToken?: string | undefined
}

/** What assuming a role takes, beside what STS does. */
export interface RoleTools extends StsTools {
  /** The server's name, for what is told. */
  readonly server: string
  /** The command by which a person gives a code of an MFA device; undefined where there is none. */
  readonly signIn: string | undefined
  readonly vault: Vault
  readonly redactor: Redactor
  /** What the source is, so that another source gets another session. Two processes with one source say the same. */
  readonly basis: string
  /** A session with this key was refused: it is not taken from the vault again. */
  readonly refusedKey?: string | undefined
  /** Asks a person for a code of the device; absent where there is none to ask. */
  askCode?(device: string): Promise<string>
}

/** A session is not handed out if it ends before this, in milliseconds; longer than what the keeper of an identity renews early. */
const EARLY_MS = 6 * 60_000
/** One exchange with STS, its time limit included, and the wait for another process's, in milliseconds. */
const TERMS = { waitMs: 30_000, holdMs: 30_000 }
/** A role that is assumed from a role ends after an hour, whatever is asked for. */
const LONGEST_CHAINED_SECONDS = 3600

/**
 * Assumes a role, or takes the session that another call or process has made of it.
 *
 * @param source - the keys that ask; undefined where a web identity token is the proof
 * @throws {PosternError} `aws-mfa-needed`; `aws-call-failed` if STS refuses; what the connection throws
 */
export async function assumeRole(
  request: RoleRequest,
  source: AwsKeys | undefined,
  tools: RoleTools,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const record = { name: sessionRecord(request, tools.basis), origin: stsEndpoint(tools.region, tools.env).origin }
  const present = await readSession(record, tools)
  if (present !== undefined) return present

  const code = request.mfaDevice === undefined ? undefined : await askCode(request, request.mfaDevice, tools)
  let lent: AwsCredentials | undefined
  let asked = false
  const decide = async (kept: KeptSecret | undefined): Promise<{ next?: KeptSecret; result: AwsCredentials }> => {
    const renewed = parseSession(kept?.secret, tools)
    if (renewed !== undefined) return { result: renewed }
    asked = true
    lent = await lend(request, source, code, tools)
    return { next: toSecret(lent, request), result: lent }
  }
  try {
    const session = await tools.vault.renew(record, decide, TERMS, signal)
    if (asked) await dropEnded(tools)
    return session
  } catch (error) {
    if (lent !== undefined) return lent // only storing it has failed
    // What STS says is final, and a code is good for one use; the vault's own faults must not keep us from asking for a role.
    if (asked || code !== undefined || signal.aborted || !(error instanceof PosternError)) throw error
    return lend(request, source, code, tools)
  }
}

/** Sessions that have ended go when a new one is made, so that they do not pile up. */
async function dropEnded({ vault, time }: RoleTools): Promise<void> {
  const sessions = (await vault.list()).filter(({ name }) => name.startsWith("aws/"))
  for (const { name, facts } of sessions) if ((facts.expiresAtMs ?? Infinity) < time.now()) await vault.remove(name)
}

/** @returns the name in the vault: the same for everybody who asks for the same thing as the same identity */
export function sessionRecord(request: RoleRequest, basis: string): string {
  const { webIdentityToken: _, ...asked } = request
  const facts = Object.entries(asked).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `aws/${createHash("sha256")
    .update(JSON.stringify([basis, facts]))
    .digest("hex")
    .slice(0, 32)}`
}

async function readSession({ name, origin }: { name: string; origin: string }, tools: RoleTools): Promise<AwsCredentials | undefined> {
  try {
    return parseSession(await tools.vault.read(name, origin), tools)
  } catch (error) {
    if (error instanceof PosternError) return undefined // the vault cannot be used: see above
    throw error
  }
}

/** What we have written ourselves; undefined once it ends too soon, or was refused. */
function parseSession(secret: string | undefined, { time, redactor, refusedKey }: RoleTools): AwsCredentials | undefined {
  if (secret === undefined) return undefined
  const session = JSON.parse(secret) as AwsCredentials // the vault authenticates what it holds
  learn(session, redactor)
  if (session.accessKeyId === refusedKey) return undefined
  return (session.expiresAtMs ?? 0) - time.now() > EARLY_MS ? session : undefined
}

function toSecret(session: AwsCredentials, { mfaDevice }: RoleRequest): KeptSecret {
  const { caller, expiresAtMs } = session
  const facts = { kind: "session", renewable: mfaDevice === undefined } as const
  return {
    secret: JSON.stringify(session),
    facts: {
      ...facts,
      ...(caller === undefined ? {} : { subject: caller.arn, account: caller.account }),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    },
  }
}

async function askCode({ role }: RoleRequest, device: string, { askCode: ask, signIn }: RoleTools): Promise<string> {
  if (ask === undefined)
    throw new PosternError(signIn === undefined ? awsMfaUnasked({ device, role }) : awsMfaNeeded({ signIn, device, role }))
  return (await ask(device)).replace(/\s/g, "")
}

async function lend(
  request: RoleRequest,
  source: AwsKeys | undefined,
  code: string | undefined,
  tools: RoleTools,
): Promise<AwsCredentials> {
  const signal = new AbortController().signal // an exchange that has begun is finished; it has a limit of its own
  const answer = await askSts(parametersOf(request, source, code), source, tools, signal)
  const value = (name: string): string => requireElement(answer, name, "AssumeRole")
  const arn = value("Arn")
  const session = {
    accessKeyId: value("AccessKeyId"),
    secretAccessKey: value("SecretAccessKey"),
    sessionToken: value("SessionToken"),
    expiresAtMs: Date.parse(value("Expiration")),
    caller: { arn, account: arn.split(":")[4] ?? "" },
  }
  learn(session, tools.redactor)
  return session
}

function parametersOf(request: RoleRequest, source: AwsKeys | undefined, code: string | undefined): Record<string, string> {
  const { durationSeconds = LONGEST_CHAINED_SECONDS, tags = {}, policyArns = [], webIdentityToken } = request
  const isChained = source?.sessionToken !== undefined
  const optional: Readonly<Record<string, string | undefined>> = {
    ExternalId: request.externalId,
    Policy: request.policy,
    SourceIdentity: request.sourceIdentity,
    SerialNumber: code === undefined ? undefined : request.mfaDevice,
    TokenCode: code,
    WebIdentityToken: webIdentityToken,
  }
  const parameters: Record<string, string> = {
    Action: webIdentityToken === undefined ? "AssumeRole" : "AssumeRoleWithWebIdentity",
    RoleArn: request.role,
    RoleSessionName: request.sessionName,
    DurationSeconds: String(isChained ? Math.min(durationSeconds, LONGEST_CHAINED_SECONDS) : durationSeconds),
  }
  for (const [name, value] of Object.entries(optional)) if (value !== undefined) parameters[name] = value
  policyArns.forEach((arn, at) => (parameters[`PolicyArns.member.${at + 1}.arn`] = arn))
  Object.entries(tags).forEach(([key, value], at) => {
    parameters[`Tags.member.${at + 1}.Key`] = key
    parameters[`Tags.member.${at + 1}.Value`] = value
  })
  return parameters
}

function learn({ secretAccessKey, sessionToken }: AwsKeys, redactor: Redactor): void {
  redactor.learnPassing(secretAccessKey)
  if (sessionToken !== undefined) redactor.learnPassing(sessionToken)
}
