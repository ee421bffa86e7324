/** One entry of `mcpServers`, checked once, at the edge. What comes out is a `Server`, its texts as they are written. */
import * as v from "valibot"
import { isObject } from "../core/json.ts"
import { addressProblem } from "./address.ts"
import { awsContradiction, awsSchema, pinSchema } from "./aws-schema.ts"
import type { FaultSeen } from "./diagnoses.ts"
import { type KeyPath, showKeyPath } from "./key-path.ts"
import { oauthContradiction, oauthSchema } from "./oauth-schema.ts"
import type { EnvironmentLabel, Scope, Server } from "./server.ts"
import { textsSchema } from "./texts-schema.ts"
import { tlsContradiction, tlsSchema } from "./tls-schema.ts"

/** What an entry does not say of itself. */
export interface EntryPlace {
  readonly name: string
  readonly scope: Scope
  readonly file: string
  readonly trusted: boolean
  readonly changedSinceApproval?: boolean
}

/** A wrong value, and where it stands in its file. */
export interface Fault extends FaultSeen {
  readonly path: KeyPath
}

/** A server, or everything that is wrong with its entry. */
export type ParsedEntry = { readonly server: Server } | { readonly faults: readonly [Fault, ...Fault[]] }

/** Keys that belong to every entry, to one that is reached over HTTP, and to a local process. */
export const ENTRY_KEYS = {
  any: ["type", "transport", "environment", "enabled", "disabled", "timeout"],
  http: ["url", "headers", "headersHelper", "resumeTimeout", "aws", "oauth", "pin", "tls", "allowPrivate"],
  stdio: ["command", "args", "env"],
} as const

/** How clients spell the transports. */
const TRANSPORTS = { stdio: "stdio", http: "http", "streamable-http": "http", streamableHttp: "http", sse: "sse" } as const
type Spelling = keyof typeof TRANSPORTS

const transport = v.optional(
  v.picklist(
    ["stdio", "http", "streamable-http", "streamableHttp", "sse"],
    "stdio, http (or streamable-http) or sse; no other transport is spoken",
  ),
)
const text = (right: string) => v.optional(v.string(right))
// oxlint-disable-next-line no-control-regex -- NUL ends a name
const variableName = v.pipe(v.string(), v.regex(/^[^=\u0000]+$/, "the name of a variable, without ="))
const yesNo = v.optional(v.boolean("true or false"))

const LABELS = ["dev", "staging", "prod"] as const satisfies readonly EnvironmentLabel[]

const entrySchema = v.pipe(
  v.custom<Record<string, unknown>>(isObject, 'an object, such as {"type": "http", "url": "https://..."}'),
  v.looseObject({
    type: transport,
    transport,
    url: text("the address of the server, in quotes"),
    headers: v.optional(textsSchema('an object of texts, such as {"X-Api-Key": "${API_KEY}"}')),
    headersHelper: v.optional(v.pipe(v.string("a command line in quotes"), v.regex(/\S/, "a command line in quotes"))),
    aws: v.exactOptional(awsSchema),
    oauth: v.exactOptional(oauthSchema),
    pin: v.exactOptional(pinSchema),
    tls: v.exactOptional(tlsSchema),
    allowPrivate: yesNo,
    command: v.optional(v.pipe(v.string("the program to start, in quotes"), v.nonEmpty("the program to start"))),
    args: v.optional(v.array(v.string("a text in quotes"), 'a list of texts, such as ["server.js"]')),
    env: v.optional(textsSchema('an object of texts, such as {"AWS_PROFILE": "dev"}', { names: variableName })),
    environment: v.optional(v.picklist(LABELS, "dev, staging or prod")),
    enabled: yesNo,
    disabled: yesNo,
    timeout: v.optional(
      v.pipe(
        v.number("a number of milliseconds, at least 1000"),
        v.finite("a number of milliseconds, at least 1000"),
        v.minValue(1000, "milliseconds, at least 1000"),
      ),
    ),
    resumeTimeout: v.optional(
      v.pipe(
        v.number("a number of seconds, at least 1"),
        v.finite("a number of seconds, at least 1"),
        v.minValue(1, "seconds, at least 1"),
      ),
    ),
  }),
)
type Entry = v.InferOutput<typeof entrySchema>

/**
 * Checks one entry.
 *
 * @param entry - as it stands in the file
 * @param path - where it stands, for example `["mcpServers", "weather"]`
 * @returns the server, or everything that is wrong with it
 */
export function parseEntry(entry: unknown, path: KeyPath, place: EntryPlace): ParsedEntry {
  const checked = v.safeParse(entrySchema, entry)
  if (!checked.success) {
    const [first, ...others] = checked.issues
    return { faults: [toFault(first, path), ...others.map((issue) => toFault(issue, path))] }
  }
  const contradiction = findContradiction(checked.output, path)
  return contradiction === undefined ? { server: toServer(checked.output, place) } : { faults: [contradiction] }
}

function toServer(entry: Entry, place: EntryPlace): Server {
  const common = {
    ...place,
    enabled: entry.enabled !== false && entry.disabled !== true,
    ...(entry.environment === undefined ? {} : { environment: entry.environment }),
    ...(entry.timeout === undefined ? {} : { timeoutMs: entry.timeout }),
  }
  if (entry.url === undefined) {
    return { ...common, transport: "stdio", command: entry.command ?? "", args: entry.args ?? [], env: entry.env ?? {} }
  }
  return {
    ...common,
    transport: spokenTransport(entry) === "sse" ? "sse" : "http",
    url: entry.url,
    headers: entry.headers ?? {},
    ...(entry.headersHelper === undefined ? {} : { headersHelper: entry.headersHelper }),
    ...(entry.aws === undefined ? {} : { aws: entry.aws }),
    ...(entry.oauth === undefined ? {} : { oauth: entry.oauth }),
    ...(entry.pin === undefined ? {} : { pin: entry.pin }),
    ...(entry.resumeTimeout === undefined ? {} : { resumeTimeoutMs: entry.resumeTimeout * 1000 }),
    ...(entry.tls === undefined ? {} : { tls: entry.tls }),
    ...(entry.allowPrivate === true ? { allowPrivate: true } : {}),
  }
}

/** Claude Code refuses an address without a type; other clients take it for http, and so do we. */
function spokenTransport({ type, transport: spelled, url }: Entry): "stdio" | "http" | "sse" {
  const named: Spelling | undefined = type ?? spelled
  if (named !== undefined) return TRANSPORTS[named]
  return url === undefined ? "stdio" : "http"
}

/** What no single value shows: keys that do not go together, and an address that none of our transports opens. */
function findContradiction(entry: Entry, path: KeyPath): Fault | undefined {
  const { type, transport: spelled, url, command } = entry
  if (type !== undefined && spelled !== undefined && TRANSPORTS[type] !== TRANSPORTS[spelled]) {
    return fault([...path, "transport"], `${spelled} beside the type ${type}`, "one of the two")
  }
  if (url !== undefined && command !== undefined) {
    return fault([...path, "url"], "an address beside a command", "one of the two: a server is reached or started")
  }
  const spoken = spokenTransport(entry)
  if (spoken === "stdio") {
    if (url !== undefined) return fault([...path, "type"], "stdio beside an address", "http or sse, or a command instead of the address")
    return command === undefined ? fault(path, "neither an address nor a command", '"url" or "command"') : undefined
  }
  if (url === undefined) return fault(path, `the type ${spoken} without an address`, '"url", the address of the server')
  const contradiction = awsContradiction(entry) ?? oauthContradiction(entry) ?? tlsContradiction(entry)
  if (contradiction !== undefined) return fault([...path, contradiction.key], contradiction.found, contradiction.right)
  const problem = url.includes("${") ? undefined : addressProblem(url)
  return problem === undefined
    ? undefined
    : fault([...path, "url"], `an address that cannot be used: ${problem}`, "an address such as https://example.com/mcp")
}

const fault = (path: KeyPath, found: string, right: string): Fault => ({ path, key: showKeyPath(path), found, right })

/** The message of each schema says what would be right. */
function toFault(issue: v.BaseIssue<unknown>, entryPath: KeyPath): Fault {
  // Entries come from JSON, so the keys are texts and indexes.
  const inside = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)))
  const isChoice = issue.type === "picklist" && typeof issue.input === "string"
  return fault([...entryPath, ...inside], isChoice ? `"${issue.input}"` : kindOf(issue.input), issue.message)
}

/** The kind of a value, never the value: it may be a secret. */
function kindOf(value: unknown): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (typeof value === "string") return value === "" ? "an empty text" : "a text"
  if (typeof value === "object") return "an object"
  return value === undefined ? "nothing" : `a ${typeof value}`
}
