/** A policy of AWS as JSON: statements, and the forms that a principal and a list can take. */
import { PosternError } from "../../core/diagnosis.ts"
import { isObject, parseJson } from "../../core/json.ts"
import { awsPolicyUnreadable } from "./trust-diagnoses.ts"

/** One statement, as the IAM user guide's grammar of the policy language spells it. Only that `Effect` is right was checked. */
export interface Statement {
  readonly Sid?: string
  readonly Effect: "Allow" | "Deny"
  readonly Principal?: "*" | Readonly<Record<string, OneOrMany>>
  readonly NotPrincipal?: unknown
  readonly Action?: OneOrMany
  readonly NotAction?: OneOrMany
  readonly Resource?: OneOrMany
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, OneOrMany | boolean | number>>>>
}

/** A policy as AWS gave it. Members that are not named here are kept when it is written back. */
export interface PolicyDocument {
  readonly Version?: string
  readonly Id?: string
  readonly Statement: Statement | readonly Statement[]
}

type OneOrMany = string | readonly string[]

/**
 * Reads the text of a policy.
 *
 * @param role - whose it is, for what is told
 * @throws {PosternError} `aws-policy-unreadable`
 */
export function parsePolicy(text: string, role: string): PolicyDocument {
  const document = parseJson(text)
  const statements = isObject(document) ? document["Statement"] : undefined
  const all = Array.isArray(statements) ? statements : [statements]
  if (!all.every((one) => isObject(one) && (one["Effect"] === "Allow" || one["Effect"] === "Deny"))) {
    throw new PosternError(awsPolicyUnreadable({ role, found: text }))
  }
  return document as unknown as PolicyDocument // its statements are objects with an effect; all else is looked at as what it may be
}

/** The statements as a list, where a policy may also hold a single one. */
export function statementsOf({ Statement: statements }: PolicyDocument): readonly Statement[] {
  return Array.isArray(statements) ? (statements as readonly Statement[]) : [statements as Statement]
}

/** One value, many, or none, as a list. */
export function listOf(value: OneOrMany | boolean | number | undefined): readonly string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value.map(String) : [String(value)]
}

/**
 * Compares with a pattern of a policy: `*` is any text, `?` any character, everything else itself.
 *
 * Step by step, and without a regular expression: a pattern of many stars takes no longer than its length times the text's.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  let [at, star, retry] = [0, -1, 0]
  let seen = 0
  while (seen < text.length) {
    if (pattern[at] === "*") {
      star = at++
      retry = seen
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[seen])) {
      at++
      seen++
    } else if (star !== -1) {
      at = star + 1
      seen = ++retry
    } else return false
  }
  while (pattern[at] === "*") at++
  return at === pattern.length
}
