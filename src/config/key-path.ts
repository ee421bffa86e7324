/** Where a value stands in a JSON document. */
export type KeyPath = readonly (string | number)[]

/** @returns the path as a person reads it: `mcpServers.weather.headers`, `mcpServers["my server"].args[0]` */
export function showKeyPath(path: KeyPath): string {
  return path.reduce<string>((shown, key) => {
    if (typeof key === "number") return `${shown}[${key}]`
    if (!/^[\w-]+$/.test(key)) return `${shown}[${JSON.stringify(key)}]`
    return shown === "" ? key : `${shown}.${key}`
  }, "")
}
