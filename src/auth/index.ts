/** `postern/auth`: the proof of identity by itself, for who sends requests themselves. A line here is a promise. */
export { type ToolSettings, openTools } from "./open-tools.ts"
export { proofHeaders } from "./proof-headers.ts"
export type { AuthTools } from "./tools.ts"
export type { Clock } from "../core/clock.ts"
export type { Environment, Places } from "../core/places.ts"
export type { Redactor } from "../core/redact.ts"
export type { Vault, VaultEntry, VaultStatus } from "../vault/vault.ts"
