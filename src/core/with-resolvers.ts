/** A promise that somebody else settles. */

/** What `Promise.withResolvers` gives. */
export interface Resolvers<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value | Promise<Value>) => void
  readonly reject: (reason: unknown) => void
}

/** As `Promise.withResolvers` (ECMAScript 2024), which Node.js 20 does not have. */
export function withResolvers<Value = void>(): Resolvers<Value> {
  let settlers: Omit<Resolvers<Value>, "promise"> | undefined
  const promise = new Promise<Value>((resolve, reject) => (settlers = { resolve, reject }))
  if (!settlers) throw new Error("a promise calls its executor at once")
  return { promise, ...settlers }
}
