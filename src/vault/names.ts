/** What can be the name of a secret, and what its origin. */

/** No path, no control character, nothing that a shell or a template reads. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._:/@-]{0,127}$/.test(text)
}

/** A text of at least one character, without any that steers a terminal. */
export function isOrigin(text: string): boolean {
  return text !== "" && !/[\p{Cc}\p{Cs}]/u.test(text)
}
