/**
 * What a profile says of where AWS answers (`endpoint_url`, a section `[services NAME]`, FIPS, dual stack), in the words of the variables
 * that say the same: whoever asks AWS as that profile is given an environment that both have completed.
 */
import type { Environment } from "../../core/places.ts"
import type { SharedConfig } from "./shared-config.ts"

/** The services that we ask, as variables name them; in the file they stand in lower case. */
const SERVICES = ["STS", "IAM", "SSO", "SSO_OIDC"] as const

const VARIABLES = [
  ["endpoint_url", "AWS_ENDPOINT_URL"],
  ["ignore_configured_endpoint_urls", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"],
  ["use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT"],
  ["use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT"],
] as const

/**
 * @param profile - the one that was named; undefined where the source is none
 * @returns the environment, which wins over the profile, as with all AWS tools
 */
export function withProfileEndpoints(profile: string | undefined, { profiles, services }: SharedConfig, env: Environment): Environment {
  const section = profiles.get(profile ?? "")
  if (section === undefined) return env
  const own = services.get(section["services"] ?? "") ?? {}
  // What the environment says of all services wins over what the file says of one.
  const single = env["AWS_ENDPOINT_URL"] ? [] : SERVICES.map((id) => [`AWS_ENDPOINT_URL_${id}`, own[`${id.toLowerCase()}.endpoint_url`]])
  const all = VARIABLES.map(([key, variable]) => [variable, section[key]])
  return { ...Object.fromEntries([...all, ...single].filter(([, value]) => value !== undefined)), ...env }
}
