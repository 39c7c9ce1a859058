/** How long a guest is silent, seen from the machine room: the longest gap between answers to a quick ping. */
import type { Lab } from './lab.ts'

/** A running measurement; `end` stops it and gives the longest silence in ms. */
export type BlackoutMeter = { end(): Promise<number> }

/** Times of the answers in the output of `ping -D`, in ms. */
export function parsePingTimes(output: string): number[] {
  return [...output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map((match) => Number(match[1]) * 1000)
}

/** Longest gap between answers beyond the interval at which they were asked for. */
export function longestSilenceMs(times: readonly number[], intervalMs: number): number {
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time))
  return Math.max(0, Math.max(0, ...gaps) - intervalMs)
}

const limitS = 60

/** Begins to ping an address; ends by itself after a minute. @throws Error at its end when there were hardly any answers */
export function startBlackoutMeter(lab: Lab, address: string, intervalMs = 10): BlackoutMeter {
  const pidFile = `/run/ping-${address}.pid`
  const script = `echo $$ > ${pidFile}; exec ping -D -n -i ${intervalMs / 1000} -w ${limitS} ${address}`
  const ping = lab.sh(['bash', '-c', script], { allowFailure: true, timeoutMs: (limitS + 5) * 1000 })
  return {
    async end() {
      await lab.sh(['bash', '-c', `kill -INT $(cat ${pidFile})`], { allowFailure: true })
      const times = parsePingTimes((await ping).stdout)
      if (times.length < 10) throw new Error(`${address} answered only ${times.length} pings`)
      return longestSilenceMs(times, intervalMs)
    },
  }
}
