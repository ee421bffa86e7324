/**
 * Stands in for the resolver of a machine, loaded into a process by NODE_OPTIONS=--import: names of TEST_HOSTS (JSON, name to address)
 * lead where it says, and each question is appended to TEST_HOSTS_LOG.
 */
import dns from "node:dns"
import { appendFileSync } from "node:fs"

const hosts = JSON.parse(process.env.TEST_HOSTS ?? "{}")
const { lookup } = dns

dns.lookup = (host, options, callback) => {
  const address = hosts[host]
  if (address === undefined) return lookup(host, options, callback)
  appendFileSync(process.env.TEST_HOSTS_LOG, `${host}\n`)
  const family = address.includes(":") ? 6 : 4
  process.nextTick(() => (options.all ? callback(null, [{ address, family }]) : callback(null, address, family)))
}
