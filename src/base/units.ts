/** Sizes: bytes are the only stored unit of storage, MiB the only one of memory; text with a unit is for people. */
export const BYTES_PER_MIB = 1024 * 1024

const SIZE_UNITS: readonly string[] = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/**
 * Parses a size such as `10G`, `10GiB`, `512M`, `1.5T` or a bare number of bytes (units are powers of 1024).
 * @returns whole bytes, or undefined when the text is not a size.
 */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGTPE]?)(?:i?B)?\s*$/i.exec(text)
  if (!match) return undefined
  const unit = (match[2] ?? '').toUpperCase()
  const power = SIZE_UNITS.indexOf(unit)
  const bytes = Math.round(Number(match[1]) * 1024 ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Parses a time such as `90s`, `30m`, `2h`, `1d`. @returns milliseconds, or undefined when the text is no time */
export function parseDurationMs(text: string): number | undefined {
  const match = /^\s*(\d{1,6})\s*([smhd])\s*$/i.exec(text)
  const unitMs = DURATION_UNITS_MS[(match?.[2] ?? '').toLowerCase()]
  return match === null || unitMs === undefined ? undefined : Number(match[1]) * unitMs
}

/** Formats bytes like Ceph does for people: the largest unit that divides the size evenly, e.g. `10G`, `1536M`. */
export function formatSizeExact(bytes: number): string {
  let value = bytes
  let power = 0
  while (power < SIZE_UNITS.length - 1 && value !== 0 && value % 1024 === 0) {
    value /= 1024
    power += 1
  }
  return power === 0 ? `${value}B` : `${value}${SIZE_UNITS[power]}`
}
