/** Secrets that an entry holds in clear: where they stand, and how a reference takes their place. */
import { isSensitiveName } from "../config/describe.ts"
import type { NewServer } from "../config/edit.ts"
import { isCredentialHeader } from "../config/header-rules.ts"
import type { Server } from "../config/server.ts"
import { type Part, parseTemplate } from "../config/template.ts"

type Entry = NewServer["entry"]

/** The key that the secret of a client goes by; it is neither a header nor a variable. */
export const CLIENT_SECRET = "oauth-client-secret"

/** A literal secret of an entry. */
export interface Literal {
  /** The header, the variable, or the parameter of the address. */
  readonly key: string
  readonly value: string
  /** @returns the entry with a reference in the secret's place */
  replaceIn(entry: Entry, reference: string): Entry
}

/**
 * Finds what belongs into the vault: what stands under a name that by custom holds a credential, and is no reference.
 *
 * @param secretKeys - headers or variables that hold a secret whatever they are named
 */
export function findLiterals(server: Server, secretKeys: readonly string[] = []): readonly Literal[] {
  const among = (section: "headers" | "env", values: Readonly<Record<string, string>>, isSecret: (name: string) => boolean): Literal[] =>
    Object.entries(values)
      .filter(([key, value]) => secretKeys.includes(key) || (isSecret(key) && isLiteral(value)))
      .map(([key, value]) => ({ key, value, replaceIn: (entry, reference) => withValue(entry, section, { [key]: reference }) }))
  return server.transport === "stdio"
    ? among("env", server.env, isSensitiveName)
    : [...inQuery(server.url), ...among("headers", server.headers, isCredentialHeader), ...clientSecret(server.oauth?.clientSecret)]
}

/** A shorter text beside a reference tells next to nothing: a scheme, the name of a cookie. */
const SHORTEST_CLEAR = 8

/**
 * Names the credentials of an entry that stand in it in part: in the default of a variable, or beside a reference. They are sent as they
 * are written, so no reference can take their place.
 */
export function credentialsInClear(server: Server): readonly string[] {
  const among = (values: Readonly<Record<string, string>>, isSecret: (name: string) => boolean): readonly (readonly [string, string])[] =>
    Object.entries(values).filter(([name]) => isSecret(name))
  const texts =
    server.transport === "stdio"
      ? among(server.env, isSensitiveName)
      : [...secretParameters(server.url).map(({ key, value }) => [key, value] as const), ...among(server.headers, isCredentialHeader)]
  return texts.filter(([, template]) => holdsClearText(template)).map(([name]) => name)
}

const holdsClearText = (template: string): boolean => parseTemplate(template).some((part) => clearTextOf(part) !== "")

/** What of a piece may be a credential in clear. */
function clearTextOf(part: Part): string {
  if (part.kind === "variable") return part.fallback ?? ""
  if (part.kind === "secret") return ""
  const text = part.written.replace(/^[A-Za-z][\w-]*(?: +|=)/, "")
  return text.length < SHORTEST_CLEAR ? "" : text
}

/** @returns a text of an entry as it can be shown: its references, and in the place of what stands in clear how long that is */
export function withoutClearText(template: string): string {
  const lengthOf = (text: string): string => `(${text.length} characters in the file)`
  if (isLiteral(template)) return lengthOf(template)
  const shown = parseTemplate(template).map((part) => {
    const clear = clearTextOf(part)
    const at = part.written.lastIndexOf(clear)
    return clear === "" ? part.written : part.written.slice(0, at) + lengthOf(clear) + part.written.slice(at + clear.length)
  })
  return shown.join("")
}

/** The same of an address: of its parameters whose names say that they hold a credential. */
export function withoutClearParameters(url: string): string {
  return secretParameters(url).reduce(
    (rest, { key, value }) => replaceParameter(rest, `${key}=${value}`, `${key}=${withoutClearText(value)}`),
    url,
  )
}

/** The secret of a client that somebody has registered by hand. */
function clientSecret(value: string | undefined): Literal[] {
  if (value === undefined || !isLiteral(value)) return []
  const replaceIn = (entry: Entry, reference: string): Entry => ({
    ...entry,
    oauth: { ...(entry["oauth"] as object), clientSecret: reference }, // parsed before: an object
  })
  return [{ key: CLIENT_SECRET, value, replaceIn }]
}

/** Keys in an address: it is logged on its way, so a header is the better place; but some servers take no other. */
function inQuery(url: string): Literal[] {
  return secretParameters(url).flatMap(({ key, value }) => {
    if (!isLiteral(value)) return []
    const parameter = `${key}=${value}`
    // The first that is equal to it is as good as any other: once one is replaced, the next is found.
    return [
      {
        key,
        value,
        replaceIn: (entry, reference) => ({ ...entry, url: replaceParameter(String(entry["url"]), parameter, `${key}=${reference}`) }),
      },
    ]
  })
}

/** The parameters of an address whose names say that they hold a credential; their values as they are written. */
export function secretParameters(url: string): readonly { readonly key: string; readonly value: string }[] {
  const query = /\?([^#]*)/.exec(url)?.[1] ?? ""
  return query.split("&").flatMap((parameter) => {
    const [, key = "", value = ""] = /^([^=]+)=(.*)$/.exec(parameter) ?? []
    return isSecretParameter(key) ? [{ key, value }] : []
  })
}

const replaceParameter = (url: string, parameter: string, replacement: string): string => {
  const at = [`?${parameter}`, `&${parameter}`].map((text) => url.indexOf(text)).find((index) => index !== -1)
  return at === undefined ? url : url.slice(0, at + 1) + replacement + url.slice(at + 1 + parameter.length)
}

/** `api_key`, `api-key`, `apiKey`, `access_token`. */
const isSecretParameter = (name: string): boolean => isSensitiveName(name.replace(/([a-z])([A-Z])/g, "$1_$2").replaceAll("-", "_"))

const isLiteral = (value: string): boolean => value !== "" && parseTemplate(value).every(({ kind }) => kind === "text")

function withValue(entry: Entry, section: "headers" | "env", value: Readonly<Record<string, string>>): Entry {
  return { ...entry, [section]: { ...(entry[section] as object), ...value } } // parsed before: an object
}
