/**
 * How far an IP address reaches. The classes are the platform's own (`net.BlockList`), so that every spelling of an address is
 * one: decimal, octal and hexadecimal forms are read by the URL parser, IPv4-mapped IPv6 by the list.
 */
import { BlockList, isIP } from "node:net"

/**
 * `forbidden`: link-local addresses, where clouds hand out credentials, and other doors of that kind (S84); `nowhere`: addresses
 * that no server has.
 */
export type Reach = "public" | "private" | "loopback" | "nowhere" | "forbidden"

/** The first class that an address is in counts. IANA's special-purpose registries (RFC 6890), and the doors that clouds have. */
const CLASSES: readonly (readonly [Exclude<Reach, "public">, readonly string[]])[] = [
  // 100.100.100.200: Alibaba; 168.63.129.16: Azure; 192.0.0.192: Oracle; fd00:ec2::254: AWS; fd20:ce::254: Google.
  [
    "forbidden",
    ["169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128"],
  ],
  ["loopback", ["127.0.0.0/8", "::1/128"]],
  ["nowhere", ["0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"]],
  [
    "private",
    // 100.64/10: carrier-grade NAT; fc00::/7: ULA; fec0::/10: its forerunner. 64:ff9b:1::/48, 2002::/16 and 2001::/32 hold an
    // IPv4 address somewhere in them (NAT64, 6to4, Teredo), and ::/96 did.
    [
      "10.0.0.0/8",
      "172.16.0.0/12",
      "192.168.0.0/16",
      "100.64.0.0/10",
      "192.0.0.0/24",
      "192.0.2.0/24",
      "198.18.0.0/15",
      "198.51.100.0/24",
      "203.0.113.0/24",
      "fc00::/7",
      "fec0::/10",
      "64:ff9b:1::/48",
      "2002::/16",
      "2001::/32",
      "::/96",
    ],
  ],
]

/** Says how far addresses reach. What is no IP address reaches nowhere. */
export interface Reaches {
  of(address: string): Reach
  /** Asks for this one class only: all that has to be known of the configured server's own address. */
  isForbidden(address: string): boolean
}

/** Makes the lists, each when it is first looked at: a bridge that starts needs one. */
export function addressReaches(): Reaches {
  const lists = new Map<Reach, BlockList>()

  const isIn = (reach: Reach, subnets: readonly string[], address: string): boolean => {
    const [bare = ""] = address.split("%") // a zone (fe80::1%eth0) makes the list blind to the address
    const list = lists.get(reach) ?? listOf(subnets)
    lists.set(reach, list)
    return isIP(bare) !== 0 && list.check(bare, isIP(bare) === 6 ? "ipv6" : "ipv4")
  }

  return {
    of: (address) =>
      isIP(address) === 0 ? "nowhere" : (CLASSES.find(([reach, subnets]) => isIn(reach, subnets, address))?.[0] ?? "public"),
    isForbidden: (address) => CLASSES.some(([reach, subnets]) => reach === "forbidden" && isIn(reach, subnets, address)),
  }
}

/** The list maps IPv4-mapped addresses by itself; the subnet ::ffff:0:0/96 in it would be every IPv4 address. */
function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = "", prefix = ""] = subnet.split("/")
    const version = network.includes(":") ? "ipv6" : "ipv4" // isIP would compile its pattern of IPv6: milliseconds of each start
    list.addSubnet(network, Number(prefix), version)
    // The well-known prefix of NAT64 (RFC 6052): where there is only IPv6, every IPv4 address is reached through it.
    if (version === "ipv4") list.addSubnet(`64:ff9b::${network}`, 96 + Number(prefix), "ipv6")
  }
  return list
}
