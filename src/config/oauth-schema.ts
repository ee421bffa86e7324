/** The key `oauth` of an entry, named as Claude Code names what it has. */
import * as v from "valibot"
import type { OAuthDialect, OAuthGrant, OAuthSettings, Pin } from "./server.ts"
import { textsSchema } from "./texts-schema.ts"

/** Known departures of servers from the specifications, each to be switched on by name for one server. */
export const OAUTH_DIALECTS = ["lenient-issuer", "unannounced-pkce", "no-resource-check"] as const satisfies readonly OAuthDialect[]

const OAUTH_GRANTS = ["authorization_code"] as const satisfies readonly OAuthGrant[]

const text = (right: string) => v.exactOptional(v.pipe(v.string(right), v.nonEmpty(right)))
const PORT = "a port, from 1 to 65535"
const LABEL = "letters, digits and - _ ."

/** @returns whether a text can be the label of an account: it becomes a part of a name in the vault */
export function isAccountLabel(label: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(label)
}

const address = (right: string) => v.exactOptional(v.pipe(v.string(right), v.url(right)))

/** What another client has among it stops nothing. */
export const oauthSchema = v.object(
  {
    clientId: text("the id of the client, in quotes"),
    clientSecret: text('"${vault:NAME}" or "${VARIABLE}"'),
    callbackPort: v.exactOptional(v.pipe(v.number(PORT), v.integer(PORT), v.minValue(1, PORT), v.maxValue(65_535, PORT))),
    redirectHost: v.exactOptional(v.picklist(["127.0.0.1", "localhost", "[::1]"], "127.0.0.1, localhost or [::1]")),
    redirectPath: v.exactOptional(v.pipe(v.string(), v.regex(/^\/[\w.~/-]*$/, "a path such as /callback"))),
    scopes: text('scopes with blanks between them, such as "read write"'),
    authServerMetadataUrl: address("the https address of the authorization server's metadata"),
    clientMetadataUrl: v.exactOptional(
      v.pipe(v.string(), v.regex(/^https:\/\/[^/?#\s]+\/[^?#\s]+$/, "an https address with a path: it is the client's id (S39)")),
    ),
    resource: text("the resource as the authorization server wants it, or omit"),
    authorizeParams: v.exactOptional(textsSchema('an object of texts, such as {"prompt": "consent"}')),
    dialects: v.exactOptional(v.array(v.picklist(OAUTH_DIALECTS, OAUTH_DIALECTS.join(", ")))),
    account: v.exactOptional(v.pipe(v.string(LABEL), v.check(isAccountLabel, LABEL))),
    grant: v.exactOptional(v.picklist(OAUTH_GRANTS, OAUTH_GRANTS.join(", "))),
  },
  'an object such as {"clientId": "..."}, with the keys that docs/configuration.md lists',
) satisfies v.GenericSchema<unknown, OAuthSettings>

/** The keys that are known; any other is told, and not used. */
export const OAUTH_KEYS: readonly string[] = Object.keys(oauthSchema.entries)

/** @returns which key of the entry contradicts `oauth`, with what was found and what would be right */
export function oauthContradiction({
  oauth,
  aws,
  pin,
}: {
  readonly oauth?: unknown
  readonly aws?: unknown
  readonly pin?: Pin | undefined
}): { readonly key: string; readonly found: string; readonly right: string } | undefined {
  if (aws === undefined) return undefined
  if (oauth !== undefined) return { key: "oauth", found: "oauth beside aws", right: "one of the two" }
  // A pin that nobody checks would be worse than none.
  return pin?.subject === undefined
    ? undefined
    : { key: "pin", found: "the subject of a sign-in for a server that requests are signed for", right: "account or role" }
}
