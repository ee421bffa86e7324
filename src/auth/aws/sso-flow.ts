/** What both ways of signing in to AWS SSO share: by a code that comes back to this machine, and by a code on a page. */
import { PosternError } from "../../core/diagnosis.ts"
import type { Interaction } from "../interaction.ts"
import { awsSsoNotFinished } from "./sso-diagnoses.ts"
import type { SsoSession } from "./sso-session.ts"
import type { SsoTools } from "./sso-token.ts"

/** A person to ask, and what the calls take. */
export interface SignInTools {
  readonly interaction: Interaction
  readonly tools: SsoTools
}

/** How long a person has, in milliseconds; AWS's codes live as long. */
export const SIGN_IN_MS = 600_000
/** The AWS CLI asks for this scope where none is configured. */
export const STANDARD_SCOPE = "sso:account:access"
/** The AWS CLI's own, so that one registration serves both. */
export const REDIRECT_PATH = "/oauth/callback"

/** `aws-sso-not-finished`; `declined`: the person said no, as opposed to not coming back in time. */
export function notFinished({ profile }: SsoSession, { signIn }: SsoTools, declined: boolean): PosternError {
  return new PosternError(awsSsoNotFinished({ profile, signIn, declined }))
}
