/** Which parameters of a tool go into headers too (S11), and whether the tool may be offered at all (S12). */
import { isObject } from "../../../core/json.ts"
import { headerText } from "./request-headers.ts"

/** One parameter that is mirrored. */
export interface Mirror {
  /** The whole name of the header, in lower case. */
  readonly header: string
  /** The members that lead to the value, from `arguments` on. */
  readonly path: readonly string[]
}

/** What the schema of a tool says: its mirrors, or why the tool is invalid. */
export type Reading = { readonly mirrors: readonly Mirror[] } | { readonly problem: string }

const ANNOTATION = "x-mcp-header"
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const MIRRORED_TYPES: ReadonlySet<unknown> = new Set(["string", "integer", "boolean"])

/** A server writes the schema, so it is read up to here and no further (S87). */
const DEEPEST = 64
const MOST_NODES = 20_000

/** JSON Schema's keywords whose values hold schemas, `properties` apart: nothing below them can be mirrored. */
const APPLICATORS =
  "items prefixItems additionalItems contains unevaluatedItems contentSchema additionalProperties unevaluatedProperties propertyNames oneOf anyOf allOf not if then else".split(
    " ",
  )
/** Those among them that hold schemas by name. */
const NAMED_APPLICATORS = ["patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"]

/** A schema on the way through the whole. */
interface Place {
  readonly schema: Readonly<Record<string, unknown>>
  readonly depth: number
  /** Undefined where the way led through something else than `properties`. */
  readonly path: readonly string[] | undefined
}

/**
 * Reads the annotations of an input schema. A loop, not recursion, and `$ref` is never followed: depth, size and cycles are the
 * server's choice.
 */
export function readMirrors(inputSchema: unknown): Reading {
  const mirrors = new Map<string, Mirror>()
  const open: Place[] = isObject(inputSchema) ? [{ schema: inputSchema, depth: 0, path: [] }] : []
  let nodes = open.length
  for (let place = open.pop(); place; place = open.pop()) {
    if (Object.hasOwn(place.schema, ANNOTATION)) {
      const mirror = mirrorAt(place)
      if ("problem" in mirror) return mirror
      if (mirrors.has(mirror.header)) return { problem: `two parameters claim the header ${mirror.header}` }
      mirrors.set(mirror.header, mirror)
    }
    for (const child of schemasIn(place)) {
      if (++nodes > MOST_NODES || child.depth > DEEPEST) return { problem: "its schema is too large or too deep to be read" }
      open.push(child)
    }
  }
  return { mirrors: [...mirrors.values()] }
}

function mirrorAt({ schema, path }: Place): Mirror | { readonly problem: string } {
  const name = schema[ANNOTATION]
  if (path === undefined || path.length === 0) return { problem: `${ANNOTATION} stands where no chain of properties leads` }
  const at = `${ANNOTATION} of ${path.join(".")}`
  if (typeof name !== "string" || !TOKEN.test(name)) return { problem: `${at} is not the name of a header` }
  if (!MIRRORED_TYPES.has(schema["type"])) return { problem: `${at} stands on something else than a string, an integer or a boolean` }
  return { header: `mcp-param-${name.toLowerCase()}`, path }
}

function* schemasIn({ schema, depth, path }: Place): Generator<Place> {
  const below = (child: unknown, way?: readonly string[]): readonly Place[] =>
    isObject(child) ? [{ schema: child, depth: depth + 1, path: way }] : []

  if (isObject(schema["properties"])) {
    for (const [name, child] of Object.entries(schema["properties"])) yield* below(child, path && [...path, name])
  }
  for (const keyword of APPLICATORS) {
    const held = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined
    for (const child of Array.isArray(held) ? (held as readonly unknown[]) : [held]) yield* below(child)
  }
  for (const keyword of NAMED_APPLICATORS) {
    if (isObject(schema[keyword])) for (const child of Object.values(schema[keyword])) yield* below(child)
  }
}

/** The headers of one call. A parameter that is not there, is null, or is no simple value has none (S11). */
export function mirroredHeaders(mirrors: readonly Mirror[], given: unknown): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const { header, path } of mirrors) {
    const value = path.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), given)
    if (isSimple(value)) headers[header] = headerText(String(value))
  }
  return headers
}

/** An integer that was rounded would name something else than the body does. */
function isSimple(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || Number.isSafeInteger(value)
}
