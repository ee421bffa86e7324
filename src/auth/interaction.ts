/** How a person is asked. Declared here, where it is called; the terminal's version lives in `cli/`, MCP's in `bridge/`. */

/** A page that a person opens to sign in. Its address has passed the gate, and holds no secret. */
export interface SignInLink {
  readonly url: URL
  /** What it is for, as a sentence without a final full stop: `Sign in to linear (issuer auth.example.com)`. */
  readonly message: string
  /** What the page will ask for (the `user_code` of RFC 8628). */
  readonly code?: string
}

/** The one person whom a sign-in may ask, wherever they sit: at a terminal, or behind an MCP client. */
export interface Interaction {
  /**
   * Asks for a secret without showing it.
   *
   * @param question - what is asked for, without a colon
   * @throws {PosternError} `nobody-to-ask` where there is no person, `secret-empty` where nothing is given, and the reason of `signal`
   *   when it aborts
   */
  askSecret(question: string, signal: AbortSignal): Promise<string>
  /**
   * Asks for something that may be seen while it is typed: a pasted redirect, an MFA code.
   *
   * @param question - what is asked for, without a colon
   * @throws as `askSecret`
   */
  askText(question: string, signal: AbortSignal): Promise<string>
  /**
   * Lets a person open a link. Whatever listens for its outcome is bound before this is called.
   *
   * @returns `opened` if a browser was started; `shown` if the person has the link only
   * @throws {PosternError} `sign-in-declined` if the person does not want to, and the reason of `signal` when it aborts
   */
  openLink(link: SignInLink, signal: AbortSignal): Promise<"opened" | "shown">
  /** Whether nothing here can open a link, and the person can type nothing back: a link that leads back to this machine may lead nowhere. */
  readonly isElsewhere?: boolean
  /** Tells a person how it goes; asks nothing. */
  tell(text: string): void
}
