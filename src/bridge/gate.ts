/** What other messages wait behind while an opening is under way. */
export interface Gate {
  /** Set while the gate is closed; it never rejects. */
  readonly closed: Promise<unknown> | undefined
  /** Closes it until the promise resolves, or until it is closed anew. A promise that rejects is a fault of the caller. */
  close(until: Promise<unknown>): void
}

/** Makes an open gate. */
export function makeGate(): Gate {
  let closed: Promise<unknown> | undefined
  return {
    get closed() {
      return closed
    },
    close(until) {
      closed = until
      const open = (): void => {
        if (closed === until) closed = undefined
      }
      // Not by waiting for what `finally` gives: that comes later, and what is said in between would overtake those who wait here.
      void until.then(open)
    },
  }
}
