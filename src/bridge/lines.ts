/** Cuts a byte stream into lines, without copying what lies in one chunk. */

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
/** How much of the beginning and of the end of a line over the limit is kept, to tell whose it was, in bytes. */
const KEPT_BYTES = 4 * 1024

/** Takes chunks, gives out lines. */
export interface LineCutter {
  feed(chunk: Buffer): void
  /** Hands over a last line that had no line feed. */
  end(): void
}

/**
 * Makes a cutter.
 *
 * @param maxBytes - a longer line is dropped while it arrives, so that it never stands in memory whole
 * @param onLine - gets each line without its line break; empty lines are passed over
 * @param onTooLong - gets the beginning and the end of a line that was dropped
 */
export function lineCutter(maxBytes: number, onLine: (line: Buffer) => void, onTooLong: (beginning: Buffer) => void): LineCutter {
  let parts: Buffer[] = []
  let bytes = 0
  let dropping = false

  const add = (part: Buffer): void => {
    bytes += part.length
    if (dropping) parts[1] = Buffer.from(Buffer.concat([parts[1] ?? part, part]).subarray(-KEPT_BYTES))
    else parts.push(part)
    if (bytes > maxBytes && !dropping) {
      dropping = true
      parts = [beginningOf(parts), endOf(parts)]
    }
  }

  const finish = (): void => {
    const whole = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
    const tooLong = dropping
    parts = []
    bytes = 0
    dropping = false
    const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole
    if (tooLong) onTooLong(line)
    else if (line.length > 0) onLine(line)
  }

  return {
    feed(chunk) {
      let from = 0
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
        add(chunk.subarray(from, at))
        finish()
        from = at + 1
      }
      if (from < chunk.length) add(chunk.subarray(from))
    },
    end: () => (parts.length > 0 ? finish() : undefined),
  }
}

// What is kept is copied: a view would keep all of the chunk that it looks at.

function beginningOf(parts: readonly Buffer[]): Buffer {
  let kept = Buffer.alloc(0)
  for (const part of parts) {
    if (kept.length >= KEPT_BYTES) break
    kept = Buffer.concat([kept, part.subarray(0, KEPT_BYTES - kept.length)])
  }
  return kept
}

function endOf(parts: readonly Buffer[]): Buffer {
  let kept = Buffer.alloc(0)
  for (const part of parts.toReversed()) {
    if (kept.length >= KEPT_BYTES) break
    kept = Buffer.concat([part.subarray(kept.length - KEPT_BYTES), kept])
  }
  return kept
}
