/** The keys `tls` and `allowPrivate` of an entry. A key that is not known is a fault here: a typing error would leave a certificate out. */
import * as v from "valibot"
import type { TlsSettings } from "./server.ts"

const file = v.exactOptional(v.pipe(v.string("the path of a file, in quotes"), v.nonEmpty("the path of a file")))

/** The key `tls`: paths, of files that are read when the first connection needs them. */
export const tlsSchema = v.strictObject(
  { ca: file, cert: file, key: file },
  'an object such as {"ca": "company-ca.pem"}, with the keys ca, cert, key',
) satisfies v.GenericSchema<unknown, TlsSettings>

/** @returns which key of the entry contradicts another, with what was found and what would be right */
export function tlsContradiction({
  tls,
}: {
  readonly tls?: TlsSettings
}): { readonly key: string; readonly found: string; readonly right: string } | undefined {
  if (tls?.key === undefined || tls.cert !== undefined) return undefined
  return { key: "tls", found: "a key without a certificate", right: '"cert" beside it' }
}
