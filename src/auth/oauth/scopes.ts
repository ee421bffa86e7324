/** The `scope` parameter (RFC 6749 section 3.3). */

/** @returns the single scopes, each once; what is none by the grammar is left out */
export function splitScopes(text: string | undefined): readonly string[] {
  return [...new Set((text ?? "").split(/\s+/).filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)))]
}
