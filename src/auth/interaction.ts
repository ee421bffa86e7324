/** How a person is asked. Declared here, where it is called; the terminal's version lives in `cli/`, MCP's in `bridge/`. */
export interface Interaction {
  /**
   * Asks for a secret without showing it.
   *
   * @param question - what is asked for, without a colon
   * @throws {PosternError} `nobody-to-ask` where there is no person, and the reason of `signal` when it aborts
   */
  askSecret(question: string, signal: AbortSignal): Promise<string>
}
