/** Whether a caller is the one that is expected: the account and role of a pin, and the identity that a session began with. */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { awsPinMismatch } from "./diagnoses.ts"
import type { Caller } from "./sts.ts"

/**
 * Compares a caller with the pins of a server.
 *
 * @param source - of the credentials, in words
 * @throws {PosternError} `aws-pin-mismatch`
 */
export function passPins({ name, pin }: Pick<HttpServer, "name" | "pin">, { account, arn }: Caller, source: string): void {
  const refuse = (what: "account" | "role", pinned: string, found: string): never => {
    throw new PosternError(awsPinMismatch({ server: name, what, pinned, found, source }))
  }
  if (pin?.account !== undefined && pin.account !== account) refuse("account", pin.account, account)
  if (pin?.role !== undefined && principalOf(pin.role) !== principalOf(arn)) refuse("role", pin.role, arn)
}

/** Whether an entry pins anything that AWS has to be asked for. */
export function hasPins({ pin }: Pick<HttpServer, "pin">): boolean {
  return pin?.account !== undefined || pin?.role !== undefined
}

/**
 * Who acts, whatever session it is: a session's ARN has no path, and ends with a name that changes.
 *
 * @param arn - of a user, a role, or a session of a role
 */
export function principalOf(arn: string): string {
  const [, partition, service, , account, resource = ""] = /^(?:arn):([^:]*):([^:]*):([^:]*):([^:]*):(.*)$/.exec(arn) ?? []
  const [kind, ...path] = resource.split("/")
  if (service === "sts" && kind === "assumed-role") return `${partition}:${account}:role/${path[0] ?? ""}`
  if (service === "iam" && kind === "role") return `${partition}:${account}:role/${path.at(-1) ?? ""}`
  return `${partition}:${account}:${resource}`
}
