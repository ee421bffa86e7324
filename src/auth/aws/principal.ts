/**
 * A caller as a trust policy has to name it.
 *
 * AWS tells who acts as a session (`arn:aws:sts::123456789012:assumed-role/NAME/SESSION`), and a trust policy that names a session
 * trusts that one session. So the role behind it is named. A role that AWS SSO makes has a random end, and gets another one when it is
 * made again: it is named by its account and a pattern.
 */
import { PosternError } from "../../core/diagnosis.ts"
import { awsPrincipalUnsuitable } from "./trust-diagnoses.ts"

/** What acts, without the session. */
export interface Principal {
  readonly kind: "user" | "role" | "sso-role"
  readonly partition: string
  readonly account: string
  /** The name without its path. */
  readonly name: string
  /** The ARN in IAM. A role's is without its path unless that is known: a session does not tell it. */
  readonly arn: string
  /** Of the session, where it is one. */
  readonly session?: string
}

/**
 * @param arn - as GetCallerIdentity tells it, or of a role
 * @throws {PosternError} `aws-principal-unsuitable`
 */
export function principalFrom(arn: string): Principal {
  const principal = readPrincipal(arn)
  if (principal === undefined) throw new PosternError(awsPrincipalUnsuitable({ arn }))
  return principal
}

/** @returns undefined where `principalFrom` throws */
export function readPrincipal(arn: string): Principal | undefined {
  const [, partition = "", service, account = "", resource = ""] = /^arn:([\w-]+):(iam|sts)::(\d{12}):(.+)$/.exec(arn) ?? []
  const [kind, ...rest] = resource.split("/")
  if (service === "sts" && kind === "assumed-role") {
    const [name = "", session = ""] = rest
    return { ...roleOf(partition, account, [name]), session }
  }
  if (service === "iam" && kind === "role") return roleOf(partition, account, rest)
  if (service === "iam" && kind === "user") return { kind: "user", partition, account, name: rest.at(-1) ?? "", arn }
  return undefined
}

function roleOf(partition: string, account: string, path: readonly string[]): Omit<Principal, "session"> {
  const name = path.at(-1) ?? ""
  const kind = name.startsWith("AWSReservedSSO_") ? "sso-role" : "role"
  return { kind, partition, account, name, arn: `arn:${partition}:iam::${account}:role/${path.join("/")}` }
}

/**
 * The pattern that finds a role of AWS SSO again when it is made anew: `AWSReservedSSO_NAME_` and sixteen characters, in its own path,
 * which holds a region for all home regions but one.
 */
export function ssoRolePattern({ partition, account, name }: Principal): string {
  const permissionSet = name.replace(/_[0-9a-f]{16}$/, "")
  return `arn:${partition}:iam::${account}:role/aws-reserved/sso.amazonaws.com*/${permissionSet}_${"?".repeat(16)}`
}
