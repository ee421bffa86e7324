/** Assuming a role, and saying why AWS does not let it be. */
import { PosternError } from "../../core/diagnosis.ts"
import type { AwsCredentials } from "./credentials.ts"
import { partitionOf } from "./endpoint.ts"
import { AwsCallError } from "./query.ts"
import { type RoleRequest, type RoleTools, assumeRole } from "./role.ts"
import type { AwsKeys } from "./sign.ts"
import { getCallerIdentity } from "./sts.ts"

/**
 * Assumes a role as `assumeRole` does; a denial is looked into, as far as the caller's rights allow.
 *
 * @throws {PosternError} `aws-role-missing`, `aws-role-not-trusting`, … (assume-diagnoses.ts) in place of a bare AccessDenied
 */
export async function assumeOrExplain(
  request: RoleRequest,
  keys: AwsKeys | undefined,
  tools: RoleTools,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  try {
    return await assumeRole(request, keys, tools, signal)
  } catch (error) {
    if (!(error instanceof AwsCallError && error.isDenied) || keys === undefined) throw error
    const { explainAssumeDenied } = await import("./assume-denied.ts")
    const { arn } = await getCallerIdentity(keys, tools, signal)
    const tried = {
      server: tools.server,
      role: request.role,
      caller: arn,
      externalId: request.externalId,
      mfa: request.mfaDevice !== undefined,
      said: error.said,
    }
    throw new PosternError(await explainAssumeDenied(tried, { ...tools, keys, partition: partitionOf(tools.region) }, signal), {
      cause: error,
    })
  }
}
