/**
 * IAM on loopback: roles with trust policies, and callers with policies of their own. It verifies who asks, replaces a trust policy
 * whole as the real one does, refuses principals that do not exist, and tells an STS beside it whom a role trusts, after a while.
 */
import http from "node:http"
import type { AddressInfo } from "node:net"
import type { Holder, Holders } from "./keys.ts"
import type { Role, Sts } from "./sts.ts"
import { verify } from "./verifier.ts"

/** What a caller's own policies say of sts:AssumeRole. */
export interface Simulation {
  readonly decision: "allowed" | "implicitDeny" | "explicitDeny"
  readonly organization?: false
  readonly boundary?: false
}

export interface Iam extends AsyncDisposable {
  readonly url: string
  /** Trust policies by the ARN of their role, as JSON. */
  readonly trust: Map<string, string>
  /** Calls that were let in. */
  readonly calls: { readonly action: string; readonly parameters: Readonly<Record<string, string>>; readonly caller: string }[]
  /** Actions that a caller (by ARN) may not do. */
  readonly forbidden: Map<string, readonly string[]>
  simulation: Simulation
  /** How many tries of AssumeRole STS denies after a change. */
  propagationTries: number
  /** What somebody else does between two calls. */
  before: (action: string) => void
}

class Refused extends Error {
  readonly type: string
  readonly status: number
  constructor(type: string, message: string, status = 400) {
    super(message)
    this.type = type
    this.status = status
  }
}

export async function startIam(holders: Holders, sts: Sts): Promise<Iam> {
  const trust = new Map<string, string>()
  const iam: Iam = {
    url: "",
    trust,
    calls: [],
    forbidden: new Map(),
    simulation: { decision: "implicitDeny" },
    propagationTries: 0,
    before: () => undefined,
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }

  const roleOf = (name: string): string => {
    const arn = [...trust.keys()].find((one) => one.endsWith(`/${name}`))
    if (arn === undefined) throw new Refused("NoSuchEntity", `The role with name ${name} cannot be found.`, 404)
    return arn
  }

  const act = (action: string, parameters: Readonly<Record<string, string>>, caller: Holder): string => {
    if (iam.forbidden.get(caller.arn)?.includes(action)) {
      throw new Refused(
        "AccessDenied",
        `User: ${caller.arn} is not authorized to perform: iam:${action} because no identity-based policy allows the iam:${action} action`,
        403,
      )
    }
    if (action === "GetRole") {
      const arn = roleOf(parameters["RoleName"] ?? "")
      return `<Role><Path>/</Path><Arn>${arn}</Arn><AssumeRolePolicyDocument>${encodeURIComponent(trust.get(arn) ?? "")}</AssumeRolePolicyDocument></Role>`
    }
    if (action === "UpdateAssumeRolePolicy") {
      const arn = roleOf(parameters["RoleName"] ?? "")
      const policy = parameters["PolicyDocument"] ?? ""
      const trusts = principalsOf(policy)
      const unknown = trusts.find((one) => !isKnown(one))
      if (unknown !== undefined) throw new Refused("MalformedPolicyDocument", `Invalid principal in policy: "AWS":"${unknown}"`)
      trust.set(arn, policy)
      spread(arn, { trusts, ...externalIdOf(policy) })
      return ""
    }
    if (action === "SimulatePrincipalPolicy") {
      if (!/^arn:aws:iam::\d{12}:(?:user|role)\//.test(parameters["PolicySourceArn"] ?? ""))
        throw new Refused("InvalidInput", "PolicySourceArn")
      const { decision, organization, boundary } = iam.simulation
      const detail =
        organization === false
          ? "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>"
          : ""
      const limit =
        boundary === false
          ? "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
          : ""
      return `<EvaluationResults><member><EvalActionName>sts:AssumeRole</EvalActionName><EvalDecision>${decision}</EvalDecision>${detail}${limit}</member></EvaluationResults>`
    }
    throw new Refused("InvalidAction", `Could not find operation ${action}`)
  }

  const isKnown = (principal: string): boolean =>
    principal.endsWith(":root") || trust.has(principal) || [...holders.values()].some(({ arn }) => arn === principal)

  /** STS hears of it after so many tries. */
  const spread = (arn: string, role: Role): void => {
    let left = iam.propagationTries
    const before = sts.before
    if (left === 0) return void sts.roles.set(arn, role)
    sts.before = async () => {
      await before()
      if (left-- === 0) sts.roles.set(arn, role)
    }
  }

  const listener = http.createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const body = Buffer.concat(chunks)
      const parameters = Object.fromEntries(new URLSearchParams(body.toString("utf8")))
      const action = parameters["Action"] ?? ""
      const send = (status: number, xml: string): void => void response.writeHead(status, { "content-type": "text/xml" }).end(xml)
      try {
        const { method = "", url: target = "", headers } = incoming
        const verdict = verify({ method, target, headers, body }, { holders, service: "iam", region: "us-east-1", nowMs: Date.now() })
        if (!("holder" in verdict)) throw new Refused(verdict.type.replace(/Exception$/, ""), verdict.message, verdict.status)
        iam.before(action)
        const result = act(action, parameters, verdict.holder)
        iam.calls.push({ action, parameters, caller: verdict.holder.arn })
        send(
          200,
          `<${action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><${action}Result>${result}</${action}Result></${action}Response>`,
        )
      } catch (error) {
        const { type, status, message } = error instanceof Refused ? error : new Refused("ServiceFailure", String(error), 500)
        send(
          status,
          `<ErrorResponse><Error><Type>Sender</Type><Code>${type}</Code><Message>${message.replaceAll("<", "&lt;")}</Message></Error><RequestId>test</RequestId></ErrorResponse>`,
        )
      }
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  return Object.assign(iam, { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}` })
}

interface Policy {
  readonly Statement: readonly {
    readonly Effect: string
    readonly Principal?: { readonly AWS?: string | readonly string[] }
    readonly Condition?: Record<string, Record<string, string>>
  }[]
}

function principalsOf(text: string): readonly string[] {
  const policy = JSON.parse(text) as Policy // a policy that is none is the test's own fault
  return policy.Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Principal }) => [Principal?.AWS ?? []].flat())
}

function externalIdOf(text: string): { readonly externalId?: string } {
  const policy = JSON.parse(text) as Policy
  const id = policy.Statement.map(({ Condition }) => Condition?.["StringEquals"]?.["sts:ExternalId"]).find((one) => one !== undefined)
  return id === undefined ? {} : { externalId: id }
}
