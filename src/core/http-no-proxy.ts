/** NO_PROXY: which hosts are reached straight. */
import { BlockList, isIP } from "node:net"
import { hostOf } from "./address-gate.ts"

/**
 * Reads the list as curl does: names with what ends with them (`example.com`, `.example.com`), addresses, networks (`10.0.0.0/8`,
 * for a host that is an address: a name is not resolved for this), and `*` for all. As other tools have it, an entry may also begin
 * with `*.` and end with a port.
 *
 * @param list - separated by commas or blanks
 */
export function goesStraight(url: URL, list: string): boolean {
  const host = hostOf(url)
  const port = url.port || (url.protocol === "https:" ? "443" : "80")
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true
      const { pattern, onlyPort } = readEntry(entry)
      if (onlyPort !== undefined && onlyPort !== port) return false
      if (isIP(host) !== 0) return pattern.includes("/") ? isInNetwork(host, pattern) : host === pattern
      const name = pattern.replace(/^\*?\./, "")
      return host === name || host.endsWith(`.${name}`)
    })
}

/** An IPv6 address has colons of its own, so a port needs it in brackets. */
function readEntry(entry: string): { pattern: string; onlyPort: string | undefined } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
  return { pattern: bracketed ?? plain ?? entry, onlyPort: port }
}

function isInNetwork(host: string, network: string): boolean {
  const [address = "", prefix = ""] = network.split("/")
  const version = isIP(address)
  if (version === 0 || version !== isIP(host) || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)) return false
  const list = new BlockList()
  const family = version === 4 ? "ipv4" : "ipv6"
  list.addSubnet(address, Number(prefix), family)
  return list.check(host, family)
}
