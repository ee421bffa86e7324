/**
 * What is read of large answers and was not taken by the client yet. While it is too much, nothing more is read of them, but of the one
 * that came first: that one can be finished, and given away. So many answers at once take no more memory than a few.
 */

/** Bounds what the answers of one server hold together. */
export interface AnswerRoom {
  /**
   * Counts what was read of an answer.
   *
   * @returns a promise where one has to wait before more of it is read
   */
  take(answer: object, bytes: number): Promise<void> | undefined
  /** The client has the answer, or will not get it. One that took nothing may be given, too. */
  leave(answer: object): void
}

/** All together may hold so much, in bytes; one that is longer passes all the same. */
const MOST_BYTES = 64 * 1024 * 1024

/** Makes an empty room. */
export function answerRoom(mostBytes = MOST_BYTES): AnswerRoom {
  /** The first to come stands first. */
  const held = new Map<object, { bytes: number; goOn?: () => void }>()
  let total = 0

  const first = (): object | undefined => held.keys().next().value

  const wake = (): void => {
    for (const [answer, place] of held) {
      if (total > mostBytes && answer !== first()) return
      place.goOn?.()
      delete place.goOn
    }
  }

  return {
    take(answer, bytes) {
      const place = held.get(answer) ?? { bytes: 0 }
      held.set(answer, place)
      place.bytes += bytes
      total += bytes
      if (total <= mostBytes || answer === first()) return undefined
      return new Promise((goOn) => Object.assign(place, { goOn }))
    },
    leave(answer) {
      const place = held.get(answer)
      if (place === undefined) return
      held.delete(answer)
      total -= place.bytes
      wake()
    },
  }
}
