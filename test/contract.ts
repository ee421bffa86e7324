/**
 * What Postern promises, row by row: the guide's cases, the names that others build on. A test that proves a row begins its name
 * with the row's id ("1.1: ..."), and `contract.test.ts` checks that each row which is built has one.
 */

/** One row: what it asks, and how far it is. */
export type Row = { readonly asks: string } & (
  | { readonly built: true }
  /** Part of it stands and is tested; the text says what is missing. */
  | { readonly begun: string }
  /** Nothing of it stands; the text says why. */
  | { readonly later: string }
)

export const contract: Readonly<Record<string, Row>> = {
  "1.1": { asks: "add with a literal header: the secret goes to the vault, the file holds a reference, the answer says so", built: true },
  "1.2": { asks: "files of the mcpServers shape are read as they are; an unset variable is told before anything is sent", built: true },
  "1.3": { asks: "the age of a key is known; rotate replaces it in one place, and running bridges use the new one", built: true },
  "1.4": {
    asks: "doctor finds one key in several servers, clients and files, by a keyed fingerprint",
    begun: "fingerprints stand, doctor comes",
  },
  "1.5": { asks: "headers prints the proof as a JSON object, fast and without a question, for headersHelper", built: true },

  "2.1": {
    asks: "aws-mcp-proxy.js: three variables, stdio, every request signed with Signature V4",
    built: true,
  },
  "2.2": { asks: "the ambient AWS identity is used; two sources that disagree are refused", built: true },
  "2.3": { asks: "aws-role-mcp-proxy.js: AssumeRole, renewed before it ends", built: true },
  "2.4": { asks: "aws trust merges a trust policy, shows the difference, asks, keeps a backup", built: true },
  "2.5": {
    asks: "an ended SSO session is told with its one command; the running session goes on after it",
    built: true,
  },
  "2.6": {
    asks: "the identity is shown at start and in list; a pinned account is checked first",
    built: true,
  },

  "3.1": {
    asks: "list: transport, method, who, where, how long, environment, whether a sign-in is needed",
    built: true,
  },
  "3.2": { asks: "auth NAME: browser, loopback, PKCE; also over SSH and without a browser", built: true },
  "3.3": { asks: "a token that ends in mid-session: sign in, and the same call is answered", built: true },
  "3.4": { asks: "a refresh that nobody notices, exactly one for all processes, never a lost token", built: true },

  "4": {
    asks: "local processes with --env and --; list, get, remove; a wrong Node.js version in one sentence",
    begun: "the Node.js version comes with doctor",
  },
  "5": { asks: "where is it, how long does it last, who can use it: answered by each command that touches a credential", built: true },
  "6": {
    asks: "choose.md, and a line by add and doctor when a better method is there",
    later: "asking a server without credentials comes with doctor",
  },
  "7": { asks: "names, scopes, trust, standard input, --json, exit codes", begun: "commands and options of methods that come later" },
}
