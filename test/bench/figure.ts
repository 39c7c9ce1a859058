/** What a bench reports, and the arithmetic benches share. */

/** One measured figure. `n` is the number of single measurements behind it; `params` says under which conditions. */
export type Figure = {
  metric: string
  value: number
  unit: string
  params: Readonly<Record<string, string | number | boolean>>
  n: number
}

/** Takes one figure; call it once per figure, a percentile being a figure of its own. */
export type Report = (figure: Figure) => void

/** What a bench module exports as `run`, beside `limitMs` if it takes more than a quarter of an hour. It cleans up after itself, also when it fails. */
export type Bench = (report: Report) => Promise<void>

/** The line printed for a figure. A value that is not a finite number is a bug of the bench, and throws. */
export function figureLine(bench: string, { metric, value, unit, params, n }: Figure): string {
  if (!Number.isFinite(value)) throw new RangeError(`${bench} ${metric} is ${value}`)
  return JSON.stringify({ bench, metric, value: Number(value.toPrecision(6)), unit, params, n })
}

/** Nearest-rank percentile, `percent` from 0 to 100; throws on an empty list. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
  if (value === undefined) throw new RangeError('percentile of nothing')
  return value
}
