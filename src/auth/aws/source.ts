/**
 * Where the AWS identity comes from. Decided once, before anything is asked of it, and said in words.
 *
 * Tools disagree on what wins when several are set: with AWS_PROFILE and AWS_ACCESS_KEY_ID, the AWS CLI takes the keys and the
 * JavaScript SDK the profile. So two that the environment names are refused, and what the entry names wins and is told.
 */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { awsSourcesDisagree } from "./diagnoses.ts"

/** One source of credentials. */
export type Source =
  | { readonly kind: "profile"; readonly profile: string; readonly named: string; readonly told: string }
  | { readonly kind: "variables"; readonly told: string }
  /** A web identity, a container, an instance: what the place where we run gives to its programs. */
  | { readonly kind: "ambient"; readonly told: string }

/** What in the environment names an identity: each by one variable that stands for it. */
const NAMING_VARIABLES = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"] as const

/**
 * Chooses the source.
 *
 * @param hasDefault - whether the shared files have a profile named `default`
 * @throws {PosternError} `aws-sources-disagree` if the environment names two
 */
export function chooseSource({ name, file, aws }: HttpServer, env: Environment, hasDefault: boolean): Source {
  const set = NAMING_VARIABLES.filter((variable) => env[variable])
  if (aws?.profile !== undefined)
    return profileSource(
      aws.profile,
      file,
      set.filter((variable) => env[variable] !== aws.profile),
    )

  const [first, ...others] = set.filter((variable) => variable !== "AWS_DEFAULT_PROFILE" || env["AWS_PROFILE"] !== env[variable])
  if (first !== undefined && others.length > 0) throw new PosternError(awsSourcesDisagree({ server: name, names: [first, ...others] }))
  if (first === "AWS_PROFILE" || first === "AWS_DEFAULT_PROFILE") return profileSource(env[first] ?? "", `the variable ${first}`)
  if (first === "AWS_ACCESS_KEY_ID") return { kind: "variables", told: "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" }
  if (first === undefined && hasDefault) return profileSource("default", "no other being named")
  return { kind: "ambient", told: describeAmbient(env) }
}

function profileSource(profile: string, named: string, unused: readonly string[] = []): Source {
  const besides = unused.length === 0 ? "" : `; ${unused.join(" and ")} ${unused.length === 1 ? "is" : "are"} set, and not used`
  return { kind: "profile", profile, named, told: `the AWS profile ${profile} (${named}${besides})` }
}

function describeAmbient(env: Environment): string {
  if (env["AWS_WEB_IDENTITY_TOKEN_FILE"]) return "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE"
  if (env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] || env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]) return "the container that this runs in"
  return "the instance that this runs on"
}
