/** The list of all diagnoses: for the docs pages, one a code, and for whoever wants to know what a code means. */
import * as aws from "../auth/aws/diagnoses.ts"
import * as awsAssume from "../auth/aws/assume-diagnoses.ts"
import * as awsDenials from "../auth/aws/denial-diagnoses.ts"
import * as awsRefusals from "../auth/aws/refusal-diagnoses.ts"
import * as awsRemarks from "../auth/aws/remarks.ts"
import * as awsSso from "../auth/aws/sso-diagnoses.ts"
import * as awsTrust from "../auth/aws/trust-diagnoses.ts"
import * as auth from "../auth/diagnoses.ts"
import * as oauth from "../auth/oauth/diagnoses.ts"
import { secretNotThere, severalSecrets } from "../auth/rotate.ts"
import * as bridge from "../bridge/diagnoses.ts"
import { bridgeClosed, serverError } from "../bridge/client/in-process.ts"
import { internalFault } from "../bridge/error-answer.ts"
import { sessionLost } from "../bridge/link.ts"
import * as signIn from "../bridge/sign-in/diagnoses.ts"
import * as awsVariables from "../config/aws-variables.ts"
import * as config from "../config/diagnoses.ts"
import * as configExpand from "../config/expand-diagnoses.ts"
import * as remarks from "../config/remarks.ts"
import type { DiagnosisDefinition } from "../core/diagnosis.ts"
import * as files from "../core/file-diagnoses.ts"
import { lockLost, lockTimeout } from "../core/file-lock.ts"
import * as http from "../core/http-failures.ts"
import { proxyInvalid, proxyRefused } from "../core/http-proxy.ts"
import { certificateUnusable } from "../core/http-tls.ts"
import * as vault from "../vault/diagnoses.ts"
import { checkTimeout } from "./check.ts"

/**
 * All diagnoses that this floor and those below it declare, by their codes in the order of the alphabet.
 *
 * @param others - modules of the floors above, for example the command line's own
 * @throws {Error} if two diagnoses share a code
 */
export function allDiagnoses(...others: readonly Readonly<Record<string, unknown>>[]): readonly DiagnosisDefinition<never>[] {
  const single = {
    secretNotThere,
    severalSecrets,
    serverError,
    bridgeClosed,
    internalFault,
    sessionLost,
    lockLost,
    lockTimeout,
    checkTimeout,
    ...signIn,
  }
  const ofHttp = { ...http, proxyInvalid, proxyRefused, certificateUnusable }
  const ofAws = [aws, awsAssume, awsDenials, awsRefusals, awsRemarks, awsSso, awsTrust, awsVariables]
  const exported = [auth, ...ofAws, oauth, bridge, config, configExpand, remarks, files, ofHttp, vault, single, ...others].flatMap(
    (module) => Object.values(module),
  )
  const definitions = exported.filter(isDefinition)
  for (const { code } of definitions)
    if (definitions.filter((other) => other.code === code).length > 1) throw new Error(`two diagnoses have the code ${code}`)
  return definitions.toSorted((one, other) => one.code.localeCompare(other.code))
}

function isDefinition(value: unknown): value is DiagnosisDefinition<never> {
  return typeof value === "function" && "code" in value && "about" in value && "kind" in value
}
