/** What can be said of a server's address before anything is opened. */

/** @returns why an address without references cannot be used, or undefined when it can; the address is not in the text */
export function addressProblem(text: string): string | undefined {
  // The WHATWG parser drops tabs and line feeds in silence, so that what a person reads would not be what is opened.
  // oxlint-disable-next-line no-control-regex -- these characters are what it is about
  if (/[\u0000-\u0020\u007f-\u009f]/.test(text)) return "it holds a blank or a control character"
  // It also takes a backslash for a slash, and the next piece for the host where there is none.
  if (/^[^?#]*\\/.test(text)) return "it holds a backslash before its query"
  if (/^https?:/i.test(text) && !/^https?:\/\/[^/?#]/i.test(text)) return "it has no host behind https:// or http://"
  if (!URL.canParse(text)) return "it is not a whole address"
  const { protocol, username, password } = new URL(text)
  if (protocol !== "https:" && protocol !== "http:") return `it begins with ${protocol} instead of https: or http:`
  return username === "" && password === "" ? undefined : "it holds a user name or a password; a header is the place for them"
}

/** @returns the host of an address that leaves this machine without encryption, or undefined when it does not */
export function unencryptedHost(address: URL): string | undefined {
  const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(address.hostname)
  return address.protocol === "http:" && !loopback ? address.host : undefined
}
