/** A Security Token Service that verifies who asks, and lends roles by their trust policies. */
import http from "node:http"
import type { AddressInfo } from "node:net"
import { addSession, type Holder, type Holders } from "./keys.ts"
import { verify } from "./verifier.ts"

/** A role, and whom it trusts. */
export interface Role {
  /** ARNs of those who may assume it; a session's is compared by its role. */
  readonly trusts: readonly string[]
  readonly externalId?: string
  /** Codes of the MFA device; each is good once. */
  readonly mfaCodes?: Set<string>
  /** A token that is as good as a signature. */
  readonly webIdentityToken?: string
}

/** A call that was let in. */
export interface StsCall {
  readonly action: string
  readonly parameters: Readonly<Record<string, string>>
  /** Undefined for a web identity. */
  readonly caller: Holder | undefined
}

export interface Sts extends AsyncDisposable {
  readonly url: string
  readonly roles: Map<string, Role>
  readonly calls: StsCall[]
  /** Calls of one action. */
  callsOf(action: string): StsCall[]
  readonly refusals: { readonly action: string; readonly type: string }[]
  /** How far its clock is ahead of this machine's, in milliseconds. */
  clockAheadMs: number
  /** Whoever comes waits for this. */
  before: () => Promise<void>
}

/** A refusal, as STS words it. */
class Refused extends Error {
  readonly type: string
  readonly status: number
  constructor(type: string, message: string, status = 403) {
    super(message)
    this.type = type
    this.status = status
  }
}

export async function startSts(holders: Holders, region = "ap-southeast-1"): Promise<Sts> {
  const roles = new Map<string, Role>()
  const calls: StsCall[] = []
  const refusals: { action: string; type: string }[] = []
  const sts: Sts = {
    url: "",
    roles,
    calls,
    refusals,
    callsOf: (action) => calls.filter((call) => call.action === action),
    clockAheadMs: 0,
    before: () => Promise.resolve(),
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }

  const answer = (incoming: http.IncomingMessage, body: Buffer): string => {
    const parameters = Object.fromEntries(new URLSearchParams(body.toString("utf8")))
    const action = parameters["Action"] ?? ""
    try {
      const caller = action === "AssumeRoleWithWebIdentity" ? undefined : whoAsks(incoming, body)
      const xml = act(action, parameters, caller)
      calls.push({ action, parameters, caller })
      return xml
    } catch (error) {
      if (error instanceof Refused) refusals.push({ action, type: error.type })
      throw error
    }
  }

  const whoAsks = ({ method = "", url: target = "", headers }: http.IncomingMessage, body: Buffer): Holder => {
    const verdict = verify({ method, target, headers, body }, { holders, service: "sts", region, nowMs: Date.now() + sts.clockAheadMs })
    if ("holder" in verdict) return verdict.holder
    const type = verdict.type
      .replace(/Exception$/, "")
      .replace("UnrecognizedClient", "InvalidClientTokenId")
      .replace("InvalidSignature", "SignatureDoesNotMatch")
    throw new Refused(type, verdict.message, verdict.status)
  }

  const act = (action: string, parameters: Readonly<Record<string, string>>, caller: Holder | undefined): string => {
    if (action === "GetCallerIdentity" && caller !== undefined) {
      return wrap(action, `<Arn>${caller.arn}</Arn><UserId>AIDATEST</UserId><Account>${caller.account}</Account>`)
    }
    if (action !== "AssumeRole" && action !== "AssumeRoleWithWebIdentity")
      throw new Refused("InvalidAction", `Could not find operation ${action}`, 400)
    const { RoleArn: role = "", RoleSessionName: session = "", DurationSeconds: seconds = "3600" } = parameters
    admit(roles.get(role), parameters, caller)
    if (!/^[\w+=,.@-]{2,64}$/.test(session)) throw new Refused("ValidationError", "1 validation error detected: roleSessionName", 400)
    if (caller?.sessionToken !== undefined && Number(seconds) > 3600) {
      throw new Refused(
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        400,
      )
    }
    const lent = addSession(holders, { role, session, seconds: Number(seconds) + sts.clockAheadMs / 1000 })
    const credentials = `<AccessKeyId>${lent.accessKeyId}</AccessKeyId><SecretAccessKey>${lent.secretAccessKey}</SecretAccessKey><SessionToken>${lent.sessionToken}</SessionToken><Expiration>${new Date(lent.expiresAtMs ?? 0).toISOString()}</Expiration>`
    return wrap(
      action,
      `<AssumedRoleUser><Arn>${lent.arn}</Arn><AssumedRoleId>AROATEST:${session}</AssumedRoleId></AssumedRoleUser><Credentials>${credentials}</Credentials>`,
    )
  }

  const reply = async (incoming: http.IncomingMessage, response: http.ServerResponse, body: Buffer): Promise<void> => {
    await sts.before()
    const send = (status: number, xml: string): void => {
      const date = new Date(Date.now() + sts.clockAheadMs).toUTCString()
      response.writeHead(status, { "content-type": "text/xml", date }).end(xml)
    }
    try {
      send(200, answer(incoming, body))
    } catch (error) {
      const { type, status, message } = error instanceof Refused ? error : new Refused("InternalFailure", String(error), 500)
      const told = `<Error><Type>Sender</Type><Code>${type}</Code><Message>${message}</Message></Error>`
      send(status, `<ErrorResponse>${told}<RequestId>test</RequestId></ErrorResponse>`)
    }
  }

  const listener = http.createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => void reply(incoming, response, Buffer.concat(chunks)))
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  return Object.assign(sts, { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}` })
}

/** The trust policy. STS has one text for all reasons but the name of the caller. */
function admit(role: Role | undefined, parameters: Readonly<Record<string, string>>, caller: Holder | undefined): void {
  const { RoleArn: arn, ExternalId: externalId, TokenCode: code, WebIdentityToken: token } = parameters
  if (caller === undefined) {
    if (role?.webIdentityToken === undefined || role.webIdentityToken !== token)
      throw new Refused("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider", 400)
    return
  }
  const trusted = role?.trusts.some(
    (one) => one === caller.arn || caller.arn.startsWith(`${one.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")}/`),
  )
  if (trusted === true && role?.mfaCodes !== undefined && code !== undefined && !role.mfaCodes.has(code))
    throw new Refused("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ")
  const isAdmitted =
    trusted === true && role?.externalId === externalId && (role?.mfaCodes === undefined || role.mfaCodes.delete(code ?? ""))
  if (!isAdmitted) throw new Refused("AccessDenied", `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`)
}

const wrap = (action: string, result: string): string =>
  `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>test</RequestId></ResponseMetadata></${action}Response>`
