/** Addresses and networks of IPv4 and IPv6, as text in and out. */
import ipaddr from 'ipaddr.js'

/** 4 or 6; undefined: the text is no address. Only the usual notation counts, not `10.1` or `0x0a.1`. */
export function addressFamily(text: string): 4 | 6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return 4
  return text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text) ? 6 : undefined
}

/** A network: its first address in short notation, and how long the prefix is. */
export type Subnet = { readonly family: 4 | 6; readonly first: string; readonly prefixLength: number }

/** Parses `10.1.0.0/24` or `fd00::/64`. @returns undefined when it is none, or names a host inside the network */
export function parseSubnet(text: string): Subnet | undefined {
  const [address = '', length = '', ...rest] = text.split('/')
  const family = addressFamily(address)
  if (family === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined
  const prefixLength = Number(length)
  if (prefixLength < 1 || prefixLength > (family === 4 ? 32 : 128)) return undefined
  const first = ipaddr.parse(address).toString()
  const subnet: Subnet = { family, first, prefixLength }
  return addressNumber(first) === firstNumber(subnet) ? subnet : undefined
}

/** The network in which an address with this prefix length lies. */
export function networkOf(address: string, prefixLength: number): Subnet {
  const family = addressFamily(address) ?? 4
  const subnet: Subnet = { family, first: normalAddress(address), prefixLength }
  return { ...subnet, first: format(firstNumber(subnet), family) }
}

/** Notation of a subnet. */
export function formatSubnet({ first, prefixLength }: Subnet): string {
  return `${first}/${prefixLength}`
}

/** Whether the address lies in the network. */
export function contains(subnet: Subnet, address: string): boolean {
  if (addressFamily(address) !== subnet.family) return false
  const value = addressNumber(address)
  return value >= firstNumber(subnet) && value <= lastNumber(subnet)
}

/** Whether two networks have an address in common. */
export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.family === b.family && firstNumber(a) <= lastNumber(b) && firstNumber(b) <= lastNumber(a)
}

/** An address a host may have: inside the network, and in IPv4 neither its first nor its last one. */
export function isHostAddress(subnet: Subnet, address: string): boolean {
  if (!contains(subnet, address)) return false
  if (subnet.family === 6 || subnet.prefixLength >= 31) return true
  const value = addressNumber(address)
  return value !== firstNumber(subnet) && value !== lastNumber(subnet)
}

/** The `index`-th address of a network, counted from 0. */
export function addressAt(subnet: Subnet, index: bigint): string {
  return format(firstNumber(subnet) + index, subnet.family)
}

/** Last address of a network. */
export function lastAddress(subnet: Subnet): string {
  return format(lastNumber(subnet), subnet.family)
}

/** Negative, 0 or positive as `a` comes before, is, or comes after `b`. Both must be addresses of one family. */
export function compareAddresses(a: string, b: string): number {
  const difference = addressNumber(a) - addressNumber(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The one notation of an address: short, lower case. */
export function normalAddress(address: string): string {
  return ipaddr.parse(address).toString()
}

/** Name under which the address is found in the reverse tree, with the final dot. */
export function reverseName(address: string): string {
  const bytes = ipaddr.parse(address).toByteArray()
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa.`
  const digits = bytes.flatMap((byte) => [byte >> 4, byte & 15])
  return `${digits
    .toReversed()
    .map((digit) => digit.toString(16))
    .join('.')}.ip6.arpa.`
}

/** An address as a number. */
export function addressNumber(address: string): bigint {
  return ipaddr
    .parse(address)
    .toByteArray()
    .reduce((value, byte) => value * 256n + BigInt(byte), 0n)
}

function format(value: bigint, family: 4 | 6): string {
  const size = family === 4 ? 4 : 16
  const bytes = Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * (size - 1 - index))) & 255n))
  return ipaddr.fromByteArray(bytes).toString()
}

function hostBits({ family, prefixLength }: Subnet): bigint {
  return BigInt((family === 4 ? 32 : 128) - prefixLength)
}

function firstNumber(subnet: Subnet): bigint {
  return (addressNumber(subnet.first) >> hostBits(subnet)) << hostBits(subnet)
}

function lastNumber(subnet: Subnet): bigint {
  return firstNumber(subnet) + (1n << hostBits(subnet)) - 1n
}
