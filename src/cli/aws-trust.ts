/** `postern aws trust`: lets you assume a role, by adding one statement to its trust policy. */
import { Command } from "commander"
import type { AwsAccess } from "../auth/aws/access.ts"
import type { PolicyDocument } from "../auth/aws/policy-document.ts"
import type { TrustPlan } from "../auth/aws/update-trust.ts"
import { nobodyToAsk } from "../auth/diagnoses.ts"
import { ROLE_ARN } from "../config/aws-schema.ts"
import type { HttpServer } from "../config/server.ts"
import { PosternError } from "../core/diagnosis.ts"
import { awsServer } from "./aws-server.ts"
import type { Context } from "./context.ts"
import { declined, usageWrong } from "./diagnoses.ts"
import { EXIT_CODES } from "./exit.ts"
import { askYes } from "./terminal.ts"

interface TrustOptions {
  readonly role?: string
  readonly profile?: string
  readonly adminProfile?: string
  readonly externalId?: string
  readonly wait: string
  readonly print?: true
  readonly yes?: true
  readonly config?: string
  readonly json?: true
}

interface Trusted {
  readonly role: string
  /** Who is let in. */
  readonly caller: string
  readonly changed: boolean
  /** The file that the former policy was kept in; null if nothing was changed. */
  readonly backup: string | null
  /** Whether the role was assumed in the end; null if it was not tried. */
  readonly assumed: boolean | null
  readonly waitedMs: number | null
  /** Why not, and what is left to do. */
  readonly problem: { readonly code: string; readonly cause: string; readonly next: string | null } | null
}

/** `postern aws trust`: shows what would change, and writes only after a yes; exits with 1 if the role cannot be assumed after it. */
export const trustCommand = (context: Context): Command =>
  new Command("trust")
    .description("let you assume a role: read its trust policy, add a statement, show the difference, ask, keep a backup, apply, wait")
    .argument("[name]", "the server whose entry names the role (aws.assumeRole)")
    .option("--role <arn>", "the role, where no server names it")
    .option("--profile <name>", "who is let in; else what the entry or the environment names")
    .option("--admin-profile <name>", "who changes the policy, where that is somebody else")
    .option("--external-id <id>", "let in with this external id only")
    .option("--wait <seconds>", "how long to wait until AWS knows the new policy; 0 does not try", "120")
    .option("--print", "print a trust policy that lets you in, for a role that is yet to be made, and change nothing")
    .option("--yes", "apply without being asked (for scripts that have seen the difference)")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON; applies only with --yes")
    .addHelpText(
      "after",
      "\nExamples:\n  $ postern aws trust finance-mcp\n  $ postern aws trust --role arn:aws:iam::123456789012:role/mcp-finance-bot-role --admin-profile admin",
    )
    .action(async (name: string | undefined, options: TrustOptions) => {
      const { openAccess } = await import("../auth/aws/access.ts")
      const waitMs = secondsOf(options.wait) * 1000
      const tools = await context.tools()
      const server = await awsServer(name, options, context)
      if (options.print) return void context.print(await printPolicy(server, options, context), true, () => "")
      const role = options.role ?? server?.aws?.assumeRole
      if (role === undefined) throw wrong("No role is named.", "postern aws trust --role ARN, or a server whose entry has aws.assumeRole")
      if (!ROLE_ARN.test(role))
        throw wrong(`${JSON.stringify(role)} is no ARN of a role.`, "postern aws trust --role arn:aws:iam::123456789012:role/NAME")
      await using access = await openAccess(server, { profile: options.profile }, tools)
      await using admin = await openAccess(undefined, { profile: options.adminProfile ?? access.server.aws?.profile }, tools)
      const result = await trust({ role, access, admin, waitMs, options }, context)
      context.print(result, options.json, tell)
      if (result.problem !== null) context.exitWith(EXIT_CODES.failed)
    })

/** For `aws iam create-role`: no role is looked at. */
async function printPolicy(server: HttpServer | undefined, options: TrustOptions, context: Context): Promise<PolicyDocument | undefined> {
  const { openAccess } = await import("../auth/aws/access.ts")
  const { principalFrom } = await import("../auth/aws/principal.ts")
  const { allowCaller } = await import("../auth/aws/trust-policy.ts")
  await using access = await openAccess(server, { profile: options.profile }, await context.tools())
  const { arn } = await access.callerOf(await access.source.findOwn(context.signal), context.signal)
  const externalId = options.externalId ?? access.server.aws?.externalId
  return allowCaller({ Version: "2012-10-17", Statement: [] }, { caller: principalFrom(arn), externalId })
}

interface Asked {
  readonly role: string
  readonly access: AwsAccess
  readonly admin: AwsAccess
  /** How long to wait until AWS knows the new policy; 0: nothing is tried. */
  readonly waitMs: number
  readonly options: TrustOptions
}

async function trust({ role, access, admin, waitMs, options }: Asked, context: Context): Promise<Trusted> {
  const { planTrust, keepBackup, applyTrust } = await import("../auth/aws/update-trust.ts")
  const { signal, clock } = context
  const own = await access.source.findOwn(signal)
  const caller = await access.callerOf(own, signal)
  const byAdmin = options.adminProfile === undefined ? undefined : await admin.source.findOwn(signal)
  const asker = byAdmin === undefined ? caller.arn : (await admin.callerOf(byAdmin, signal)).arn
  const externalId = options.externalId ?? access.server.aws?.externalId
  const { credentials: keys, env } = byAdmin ?? own
  const iam = { ...admin.tools, env, keys, partition: access.door.partition }
  const plan = await planTrust({ role, caller: caller.arn, asker, externalId }, iam, signal)
  const common = { role: plan.role, caller: plan.caller.arn }
  if (plan.after === undefined)
    return { ...common, changed: false, backup: null, ...(await tryOut({ plan, access, externalId, waitMs }, context)) }

  if (options.json !== true) context.stdout.write(`${await describePlan(plan)}\n\n`)
  await consent(plan, options, context)
  const backup = await keepBackup(plan, context.places.awsTrust, clock)
  await applyTrust(plan, asker, iam, signal)
  return { ...common, changed: true, backup, ...(await tryOut({ plan, access, externalId, waitMs }, context)) }
}

async function describePlan({ role, before, after, needsOwnPolicy }: TrustPlan): Promise<string> {
  const { lineDifference } = await import("../auth/aws/text-difference.ts")
  const lines = lineDifference(JSON.stringify(before, null, 2), JSON.stringify(after, null, 2))
  const note = needsOwnPolicy ? ["", "note: your own policies must allow sts:AssumeRole on this role as well."] : []
  return [`The trust policy of ${role} changes so:`, "", ...lines, ...note].join("\n")
}

async function consent({ role }: TrustPlan, { yes, json }: TrustOptions, context: Context): Promise<void> {
  if (yes) return
  if (!context.interactive || json) {
    throw new PosternError({ ...nobodyToAsk({ question: "apply this policy?", instead: "the same command with --yes" }), kind: "guard" })
  }
  if (!(await askYes("Apply this policy?", context, context.signal))) {
    throw new PosternError(declined({ what: `the new trust policy of ${role}` }))
  }
}

interface Trying extends Pick<Asked, "access" | "waitMs"> {
  readonly plan: TrustPlan
  readonly externalId: string | undefined
}

/** IAM takes a while until STS knows; so the role is tried until it can be assumed. */
async function tryOut(
  { plan, access, externalId, waitMs: limitMs }: Trying,
  context: Context,
): Promise<Pick<Trusted, "assumed" | "waitedMs" | "problem">> {
  const { proveTrust } = await import("../auth/aws/prove-trust.ts")
  if (limitMs === 0) return { assumed: null, waitedMs: null, problem: null }
  const tellWait = (waitedMs: number): void =>
    context.note(`AWS does not know the new policy yet (${Math.round(waitedMs / 1000)} s); trying again.`)
  const patience = plan.after === undefined ? 0 : limitMs // where nothing was changed there is nothing to wait for
  const proving = { access, role: plan.role, externalId, limitMs: patience, tell: tellWait }
  const { waitedMs, problem } = await proveTrust(proving, context.signal)
  const told = problem && { code: problem.code, cause: problem.cause, next: problem.next ?? null }
  return { assumed: problem === undefined, waitedMs, problem: told ?? null }
}

function secondsOf(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw wrong(`--wait takes a number of seconds, and not ${JSON.stringify(text)}.`, "postern aws trust --help")
}

function wrong(problem: string, help: string): PosternError {
  return new PosternError(usageWrong({ problem, help }))
}

function tell({ role, caller, changed, backup, assumed, waitedMs, problem }: Trusted): string {
  return [
    changed ? `${role} now trusts ${caller}.` : `${role} trusts ${caller} already; nothing was changed.`,
    ...(backup === null ? [] : [`  the former policy is in ${backup}`]),
    ...(assumed === true ? [`  tried: the role can be assumed${waitedMs ? ` (AWS took ${Math.round(waitedMs / 1000)} s)` : ""}`] : []),
    ...(problem === null ? [] : [`  tried: ${problem.cause}`, ...(problem.next === null ? [] : [`  next: ${problem.next}`])]),
  ].join("\n")
}
