/** One after the other. */

/** Begins a piece of work when the one before it has ended, however that ended. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>

/** Makes a line of its own. */
export function inTurn(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    last = next.catch(() => undefined) // whoever asked for it hears of it
    return next
  }
}
