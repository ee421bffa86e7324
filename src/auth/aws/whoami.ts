/** Who one is to a server, or to AWS: account, caller, where the keys come from, and how long they last. */
import type { AwsAccess } from "./access.ts"
import { passPins } from "./pins.ts"

/** As `postern aws whoami --json` prints it; `source` is in words. */
export interface AwsWhoami {
  /** Null where no server was named. */
  readonly server: string | null
  readonly arn: string
  readonly account: string
  readonly source: string
  readonly region: string
  /** When the keys end, as a date; null if they do not end by themselves. */
  readonly expiresAt: string | null
  /** What the entry pins; AWS has been asked, and it is met. */
  readonly pinned: { readonly account?: string; readonly role?: string } | null
}

/** @throws {PosternError} `aws-pin-mismatch` (kind guard); whatever keeps the identity from being found */
export async function whoami({ server, source, callerOf }: AwsAccess, signal: AbortSignal): Promise<AwsWhoami> {
  const found = await source.find(signal)
  const { arn, account } = await callerOf(found, signal)
  passPins(server, { arn, account }, found.source)
  const { expiresAtMs } = found.credentials
  const { account: pinnedAccount, role } = server.pin ?? {}
  const pin = { ...(pinnedAccount === undefined ? {} : { account: pinnedAccount }), ...(role === undefined ? {} : { role }) }
  return {
    server: server.name === "" ? null : server.name,
    arn,
    account,
    source: found.source,
    region: found.region,
    expiresAt: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    pinned: Object.keys(pin).length === 0 ? null : pin,
  }
}
