/** IP addresses as text. */

/** The eight groups of an IPv6 address as numbers, joined; other text in lower case. Zones (`%eth0`) do not count. */
function canonical(address: string): string {
  const text = address.toLowerCase().replace(/%.*$/, '')
  if (!text.includes(':')) return text
  const [head = '', tail] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  return [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
    .map((group) => Number.parseInt(group, 16))
    .join(':')
}

/** Whether two texts name the same address: IPv6 has many spellings of one. */
export function isSameAddress(a: string, b: string): boolean {
  return canonical(a) === canonical(b)
}
