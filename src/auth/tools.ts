/** What a method is given to work with. Handed down from `bin/`, so that a test gives its own. */
import type { Clock } from "../core/clock.ts"
import type { Diagnosis } from "../core/diagnosis.ts"
import type { Http } from "../core/http.ts"
import type { Environment } from "../core/places.ts"
import type { Redactor } from "../core/redact.ts"
import type { Vault } from "../vault/vault.ts"

/** What every method needs, whichever server it works for. */
export interface AuthTools {
  readonly vault: Vault
  readonly env: Environment
  readonly redactor: Redactor
  readonly clock: Clock
  /** Tells what a person should know though nothing fails; absent: nobody is there. */
  tell?(diagnosis: Diagnosis): void
}

/** And for one server its HTTP layer (`openHttp`), so that its proxy, certificates and address rules hold on each of the method's own calls. */
export interface MethodTools extends AuthTools {
  readonly http: Http
  /** Takes work that goes on beside a message and must not be torn: whoever closes `http` waits for it. Absent: nobody does. */
  hold?(work: Promise<unknown>): void
}
