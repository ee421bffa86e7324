/** What can go wrong with a session of AWS SSO. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { shellWord } from "../../core/shell.ts"

/** What is known of a session that is not good any more. */
export interface SsoEnd {
  readonly profile: string
  /** The command by which a person signs in to the server that it was for; undefined where there is none. */
  readonly signIn: string | undefined
  /** A date; absent if there is no session on this machine. */
  readonly endsAt?: string
  /** AWS refuses it although it should still be good. */
  readonly isRefused: boolean
}

/** Told when there is no token, it cannot be renewed, or AWS refuses to: never because of a network or a server error. */
export const awsSsoEnded = defineDiagnosis({
  code: "aws-sso-ended",
  about:
    "The AWS SSO (IAM Identity Center) session of the profile has ended, or there was none yet. Signing in again makes a new one; a running server goes on with it by itself, whether it comes from Postern or from the AWS CLI (`aws sso login`).",
  kind: "sign-in",
  tell: ({ profile, signIn, endsAt, isRefused }: SsoEnd) => ({
    cause:
      endsAt === undefined
        ? `There is no SSO session for the AWS profile "${quote(profile, 80)}" on this machine.`
        : `The SSO session of the AWS profile "${quote(profile, 80)}" has ended.`,
    evidence: [
      ...(endsAt === undefined
        ? []
        : [isRefused ? `it was to last until ${endsAt}, and AWS has ended it before` : `it ended at ${endsAt}`]),
      "nothing was sent to the server",
    ],
    next: signIn ?? `postern aws login --profile ${shellWord(profile)}`,
  }),
})

/** Told of any other refusal by AWS SSO; `call` is what it did not do, as a verb (`give a token`), `error` as RFC 6749 names it. */
export const awsSsoFailed = defineDiagnosis({
  code: "aws-sso-failed",
  about:
    "AWS SSO did not answer as it should: it refused for a reason other than an ended session, was down, or something in between answered. The session is kept as it is; nothing is signed in anew because of it.",
  tell: ({ profile, call, status, error, said }: { profile: string; call: string; status: number; error: string; said: string }) => ({
    cause: `AWS SSO did not ${call} for the profile ${quote(profile, 80)}${error === "" ? "" : ` (${quote(error, 80)})`}.`,
    evidence: [`answer: HTTP ${status}`, ...(said === "" ? [] : [`it said: ${quote(said)}`])],
    next: "try again; if it stays, compare sso_start_url and sso_region with what your AWS access portal shows",
  }),
})

/** Told by `AuthTools.tell` when the first try to write fails, and thrown by nobody: the call goes on. */
export const awsSsoNotStored = defineDiagnosis({
  code: "aws-sso-not-stored",
  about:
    "A renewed session of AWS SSO could not be written to `~/.aws/sso/cache`: the disk is full, or the folder cannot be written any more. It is kept in memory and used, and writing is tried again until it works; if the process ends before that, a person has to sign in again.",
  tell: ({ profile, cause }: { profile: string; cause: string }) => ({
    cause: `The renewed SSO session of the AWS profile "${quote(profile, 80)}" could not be stored yet.`,
    evidence: [quote(cause), "it is used from memory, and storing is tried again"],
    next: "make room, or make the folder writable again",
  }),
})

/** The portal answers 403 or 404 to a token that it accepts; `account` and `role` are the profile's. */
export const awsSsoNoAccess = defineDiagnosis({
  code: "aws-sso-no-access",
  about:
    "The SSO session is good, and AWS SSO does not give this person the role that the profile names: the permission set is not assigned in that account, or its name is spelled otherwise.",
  tell: ({ profile, account, role, said }: { profile: string; account: string; role: string; said: string }) => ({
    cause: `AWS SSO does not give you the role ${quote(role, 80)} in the account ${quote(account, 20)}, which the profile ${quote(profile, 80)} names.`,
    evidence: ["the SSO session itself is good", ...(said === "" ? [] : [`it said: ${quote(said)}`])],
    next: "compare sso_account_id and sso_role_name of the profile with what your AWS access portal shows",
  }),
})

/** Told when the page says no (`declined`), or the ten minutes or the code ran out. */
export const awsSsoNotFinished = defineDiagnosis({
  code: "aws-sso-not-finished",
  about: "A sign-in to AWS SSO was begun, and not finished: the person declined, or the code of the page came to its end first.",
  kind: "sign-in",
  tell: ({ profile, signIn, declined }: { profile: string; signIn: string | undefined; declined: boolean }) => ({
    cause: declined
      ? `The sign-in to AWS SSO for the profile ${quote(profile, 80)} was declined on the page.`
      : `Nobody finished the sign-in to AWS SSO for the profile ${quote(profile, 80)} in time.`,
    evidence: ["the session is as it was before"],
    next: signIn ?? `postern aws login --profile ${shellWord(profile)}`,
  }),
})

/** Told by `postern aws login`; `others` are the profiles that do sign in by SSO. */
export const awsProfileNotSso = defineDiagnosis({
  code: "aws-profile-not-sso",
  about: "The profile does not sign in by AWS SSO, and builds on none that does, so there is no page to sign in on.",
  kind: "usage",
  tell: ({ profile, exists, others, file }: { profile: string; exists: boolean; others: readonly string[]; file: string }) => ({
    cause: exists
      ? `The AWS profile "${quote(profile, 80)}" does not sign in by AWS SSO.`
      : `There is no AWS profile "${quote(profile, 80)}".`,
    evidence: [`looked into ${file}`, others.length === 0 ? "no profile there signs in by SSO" : `these do: ${quote(others.join(", "))}`],
    next: others[0] === undefined ? "aws configure sso" : `postern aws login --profile ${shellWord(others[0])}`,
  }),
})
