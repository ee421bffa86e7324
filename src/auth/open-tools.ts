/** Makes what methods work with: the one place that says which vault, which variables and whose clock. */
import { type Clock, systemClock } from "../core/clock.ts"
import type { Diagnosis } from "../core/diagnosis.ts"
import { PROXY_VARIABLES } from "../core/http-route.ts"
import { type Environment, type Places, findPlaces } from "../core/places.ts"
import { type Redactor, createRedactor } from "../core/redact.ts"
import { openVault } from "../vault/open.ts"
import type { AuthTools } from "./tools.ts"

/** What the tools are made of; what is left out is taken from this process and this machine. */
export interface ToolSettings {
  readonly env?: Environment
  /** Those that `env` names unless said. */
  readonly places?: Pick<Places, "vault" | "vaultKey">
  readonly clock?: Clock
  readonly redactor?: Redactor
  /** Asks a person without showing what is typed. Absent: nobody can be asked. */
  readonly askSecret?: (question: string) => Promise<string>
  /** Hears what a person should know while they wait. */
  readonly note?: (text: string) => void
  /** Hears what a person should know though nothing fails. */
  readonly tell?: (diagnosis: Diagnosis) => void
  /** Ends a wait for the OS keychain. */
  readonly signal?: AbortSignal
}

/** Opens the tools. No file is read, and nobody is asked, before the vault is used. */
export function openTools(settings: ToolSettings = {}): AuthTools {
  const { env = process.env, clock = systemClock, redactor = createRedactor(), places = findPlaces(env), tell, ...options } = settings
  learnProxyCredentials(env, redactor)
  return { vault: openVault(places, clock, { env, ...options }), env, redactor, clock, ...(tell && { tell }) }
}

/** A proxy may repeat what it was sent. A password that is too short to be looked for by itself is found beside its user name. */
function learnProxyCredentials(env: Environment, redactor: Redactor): void {
  for (const variable of PROXY_VARIABLES) {
    const userInfo = /^(?:[a-z][a-z\d+.-]*:\/\/)?(.*)@/i.exec(env[variable] ?? "")?.[1]
    if (userInfo === undefined) continue
    for (const pair of [userInfo, unescaped(userInfo)]) {
      redactor.learn(pair)
      redactor.learn(pair.slice(pair.indexOf(":") + 1))
    }
  }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a percent sign that escapes nothing is one
  }
}
