/**
 * Which scenarios of the official conformance suite judge us. Two releases of it lie side by side: the newest stable one, and the
 * newest alpha, which knows more of the sign-in.
 *
 * Left out are the scenarios of flows without a person (client credentials, cross-app access, workload identity, DPoP).
 */

const transport = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]

const signIn = [
  "auth/metadata-default",
  "auth/metadata-var1",
  "auth/metadata-var2",
  "auth/metadata-var3",
  "auth/basic-cimd",
  "auth/scope-from-www-authenticate",
  "auth/scope-from-scopes-supported",
  "auth/scope-omitted-when-undefined",
  "auth/scope-step-up",
  "auth/scope-retry-limit",
  "auth/token-endpoint-auth-basic",
  "auth/token-endpoint-auth-post",
  "auth/token-endpoint-auth-none",
  "auth/pre-registration",
  "auth/2025-03-26-oauth-metadata-backcompat",
  "auth/2025-03-26-oauth-endpoint-fallback",
  "auth/resource-mismatch",
  "auth/offline-access-scope",
  "auth/offline-access-not-supported",
]

const issuers = [
  "auth/authorization-server-migration",
  "auth/iss-supported",
  "auth/iss-not-advertised",
  "auth/iss-supported-missing",
  "auth/iss-wrong-issuer",
  "auth/iss-unexpected",
  "auth/iss-normalized",
  "auth/metadata-issuer-mismatch",
]

const modern = [
  "tools_call",
  "request-metadata",
  "http-standard-headers",
  "http-custom-headers",
  "http-invalid-tool-headers",
  "sep-2322-client-request-state",
  "json-schema-ref-no-deref",
  "json-schema-2020-12-preservation",
]

/** `package`: its folder among the judges. `flags`: what its command line gets beside the scenario. */
export const suites = {
  stable: { package: "@modelcontextprotocol/conformance", flags: [], scenarios: [...transport, ...signIn] },
  alpha: {
    package: "conformance-alpha",
    // Rules that are younger than 2025-11-25 are asked for all the same; only the transport is held at that revision.
    flags: ["--spec-version", "2025-11-25", "--force"],
    scenarios: [...transport, "json-schema-2020-12-preservation", ...signIn, ...issuers],
  },
  /** The transport of revision 2026-07-28. */
  modern: { package: "conformance-alpha", flags: ["--spec-version", "2026-07-28"], scenarios: modern },
}

/** @returns `[SUITE, SCENARIO]` for each that is named, `SUITE:SCENARIO`, `SUITE` or `SCENARIO`; for all if none is */
export function chosen(names) {
  const all = Object.entries(suites).flatMap(([suite, { scenarios }]) => scenarios.map((scenario) => [suite, scenario]))
  if (names.length === 0) return all
  return all.filter(([suite, scenario]) => names.some((name) => [suite, scenario, `${suite}:${scenario}`].includes(name)))
}
