const UNITS = ['B', 'K', 'M', 'G', 'T', 'P', 'E']

/** Bytes for people: one decimal above 1 K, powers of 1024, e.g. `756.6G`. */
export function formatBytes(bytes: number): string {
  return scale(bytes, 1024, UNITS)
}

/** A count of operations for people, powers of 1000, e.g. `123.5M`. */
export function formatCount(count: number): string {
  return scale(count, 1000, ['', 'K', 'M', 'G', 'T', 'P', 'E'])
}

function scale(value: number, base: number, units: readonly string[]): string {
  let rest = value
  let power = 0
  // 999.95 would print as 1000.0: step up as soon as rounding would.
  while (rest >= base - 0.05 && power < units.length - 1) {
    rest /= base
    power += 1
  }
  return `${power === 0 ? Math.round(rest) : rest.toFixed(1)}${units[power] ?? ''}`
}

/** A time span for people, e.g. `8 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. */
export function formatElapsed(elapsedMs: number): string {
  const seconds = Math.floor(elapsedMs / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** As {@link formatElapsed}, with tenths of a second below a minute. */
export function formatMoment(elapsedMs: number): string {
  return elapsedMs < 60_000 ? `${(elapsedMs / 1000).toFixed(1)} s` : formatElapsed(elapsedMs)
}
