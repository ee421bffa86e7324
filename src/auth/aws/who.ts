/** Who signs for one server: found, checked against the pins, confirmed by a person. */
import { PosternError, failedWith } from "../../core/diagnosis.ts"
import type { Interaction } from "../interaction.ts"
import { signInCommand } from "../sign-in-command.ts"
import { confirmationsFor } from "./confirmation.ts"
import { awsCallerUnknown } from "./diagnoses.ts"
import { type FinderTools, openFinder } from "./find.ts"
import type { AwsIdentity, Found, IdentityTools } from "./identity.ts"
import { hasPins, passPins } from "./pins.ts"
import { withProfileEndpoints } from "./profile-endpoints.ts"
import { awsSigningAs } from "./remarks.ts"
import { sharedFiles } from "./shared-config.ts"
import { awsSsoEnded } from "./sso-diagnoses.ts"
import { ssoBehind } from "./sso-session.ts"
import type { SignInOptions } from "./sso-sign-in.ts"
import { type Caller, getCallerIdentity } from "./sts.ts"

/** What an identity needs to be found, checked and confirmed for one server. */
export interface AwsSource extends IdentityTools {
  /** Finds the identity without the role that the entry asks for. */
  findOwn(signal: AbortSignal): Promise<Found>
  /** Finds the identity, asks a person for what is missing, and keeps that they wanted it. */
  signIn(interaction: Interaction, signal: AbortSignal, options?: EnterOptions): Promise<AwsIdentity>
  /** Forgets what a person has confirmed. */
  signOut(): Promise<void>
}

/** How a person gets in. */
export interface EnterOptions extends SignInOptions {
  /** Begins a new session of SSO, although the present one may be good. */
  readonly fresh?: boolean
}

/** Opens the source of one server's identity. Nothing is read or asked before the first call. */
export function openSource(given: FinderTools): AwsSource {
  const { server, tools, time, http } = given
  const finder = openFinder(given)
  const { stamp, find, findOwn } = finder
  const confirmations = confirmationsFor(server, tools.vault)
  const isPinned = hasPins(server)

  const check = async ({ credentials, source, region, env }: Found, signal: AbortSignal): Promise<Caller | undefined> => {
    try {
      const caller = credentials.caller ?? (await getCallerIdentity(credentials, { http, env, time, region }, signal))
      passPins(server, caller, source)
      return caller
    } catch (error) {
      if (!isPinned) return undefined // nothing hangs on it, and the server itself says whether the keys are good
      if (!(error instanceof PosternError) || error.diagnosis.kind === "guard") throw error
      throw new PosternError(awsCallerUnknown({ server: server.name, source, reason: error.message }), { cause: error })
    }
  }

  /** With a person there: a session of SSO that has ended is begun anew, and a code is asked for. */
  const findWith = async (interaction: Interaction, { fresh = false, ...options }: EnterOptions, signal: AbortSignal): Promise<Found> => {
    const { env, clock, redactor } = tools
    const askCode = (device: string): Promise<string> => interaction.askText(`Code of the MFA device ${device}`, signal)
    const beginSession = async (): Promise<boolean> => {
      const { shared, source } = await finder.look()
      if (source.kind !== "profile") return false
      const sso = ssoBehind(shared, sharedFiles(env), source.profile)
      if (sso === undefined) return false
      const asked = withProfileEndpoints(source.profile, shared, env)
      const { signInSso } = await import("./sso-sign-in.ts")
      await signInSso(
        sso.session,
        interaction,
        { tools: { signIn: signInCommand(server), env: asked, http, clock, redactor }, options },
        signal,
      )
      return true
    }
    if (fresh) await beginSession()
    try {
      return await find(signal, askCode)
    } catch (error) {
      if (!failedWith(error, awsSsoEnded) || !(await beginSession())) throw error
      return find(signal, askCode)
    }
  }

  return {
    server: server.name,
    clock: tools.clock,
    time,
    isPinned,
    howToConfirm: `${signInCommand(server) ?? "start the server anew in the client"}, if that is meant to be`,
    stamp,
    find: (signal) => find(signal),
    refuse: (key) => finder.refuse(key),
    findOwn: (signal) => findOwn(signal),
    check,
    isConfirmed: ({ basis }, caller, sinceMs) => confirmations.cover(basis, caller, sinceMs),
    onIdentity({ caller, source }) {
      const tell = (known: Caller | undefined): void => tools.tell?.(awsSigningAs({ server: server.name, caller: known, source }))
      void caller.then(tell, () => undefined) // a fault of asking is told where the answer is needed
    },
    async signIn(interaction, signal, options = {}) {
      const found = await findWith(interaction, options, signal)
      const caller = await check(found, signal)
      if (caller !== undefined) await confirmations.keep(found.basis, caller, signal)
      return { ...found, caller: Promise.resolve(caller) }
    },
    signOut: () => confirmations.forget(),
  }
}
