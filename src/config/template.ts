/** The texts of a configuration: `${VARIABLE}`, `${VARIABLE:-default}`, `${vault:NAME}`. Taken apart here, replaced in expand.ts. */

/** A piece of a text. `written` is what stands in the file. */
export type Part =
  | { readonly kind: "text"; readonly written: string }
  | { readonly kind: "variable"; readonly written: string; readonly name: string; readonly fallback?: string }
  | { readonly kind: "secret"; readonly written: string; readonly name: string }
  | { readonly kind: "broken"; readonly written: string }

/** What a text refers to, each name once. */
export interface References {
  readonly variables: readonly string[]
  readonly secrets: readonly string[]
}

const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([^]*))?$/
/** The names that the vault takes; what looks like a default is none, since a secret has no default. */
const SECRET = /^vault:([A-Za-z0-9_](?:[A-Za-z0-9._/@-]|:(?!-)){0,127})$/

/**
 * Takes a text apart. `$VARIABLE`, `$(...)` and a lone `$` are ordinary text, and nothing escapes a `${`.
 *
 * @returns its pieces in order; a `${` that begins nothing known is a piece of kind `broken`
 */
export function parseTemplate(template: string): readonly Part[] {
  const parts: Part[] = []
  for (let at = 0; at < template.length;) {
    const start = template.indexOf("${", at)
    if (start !== at) parts.push({ kind: "text", written: template.slice(at, start === -1 ? undefined : start) })
    if (start === -1) break
    const end = template.indexOf("}", start)
    if (end === -1) return [...parts, { kind: "broken", written: template.slice(start) }]
    parts.push(parseReference(template.slice(start, end + 1)))
    at = end + 1
  }
  return parts
}

function parseReference(written: string): Part {
  const inside = written.slice(2, -1)
  const secret = SECRET.exec(inside)
  if (secret?.[1] !== undefined) return { kind: "secret", written, name: secret[1] }
  const [, name, fallback] = VARIABLE.exec(inside) ?? []
  // A reference inside a default would end at the wrong brace, and half of it would be sent.
  if (name === undefined || fallback?.includes("${")) return { kind: "broken", written }
  return { kind: "variable", written, name, ...(fallback === undefined ? {} : { fallback }) }
}

/**
 * Says what a text refers to, without replacing anything.
 *
 * @returns the names; a broken reference is none here, and an error once the text is expanded
 */
export function references(template: string): References {
  const parts = parseTemplate(template)
  const names = (kind: "variable" | "secret"): readonly string[] => [
    ...new Set(parts.flatMap((part) => (part.kind === kind ? [part.name] : []))),
  ]
  return { variables: names("variable"), secrets: names("secret") }
}
