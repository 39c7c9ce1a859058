/** Pings from one host into a network of guests, twenty a second, and what was lost of them. */
import type { Host } from './host.ts'
import { pollUntil } from './poll.ts'

const INTERVAL_MS = 50

/** A running series; `end` stops it and gives what ping printed. */
export type SteadyPings = { end(): Promise<string> }

/** What a series of pings came to. */
export type PingLoss = {
  readonly sent: number
  readonly lost: number
  /** Longest time between two answers, less the interval at which they were asked for. */
  readonly gapMs: number
}

/**
 * Starts pinging from `host`, which gets an address of the network on its bridge for that. Returns when answers come, so that
 * what happens next is all that can cost any. Ends by itself after `limitS`.
 */
export async function startPings(
  host: Host,
  network: { readonly bridge: string; readonly prefix: string },
  address: string,
  limitS = 120,
): Promise<SteadyPings> {
  const own = `${network.prefix}.${200 + host.index}/24`
  await host.sh(['ip', 'address', 'replace', own, 'dev', network.bridge], { timeoutMs: 5000 })
  const file = `/run/steady-ping-${address}`
  const script = `echo $$ >${file}.pid; exec ping -D -O -n -i ${INTERVAL_MS / 1000} -w ${limitS} ${address} >${file}.out`
  const ping = host.sh(['bash', '-c', script], { allowFailure: true, timeoutMs: (limitS + 5) * 1000 })
  const output = async (): Promise<string> => (await host.sh(['cat', `${file}.out`], { timeoutMs: 5000 })).stdout
  await pollUntil({ what: `answers of ${address}`, timeoutMs: 10_000 }, async () => lossOf(await output()).sent > 2)
  return {
    async end() {
      await host.sh(['bash', '-c', `kill -INT $(cat ${file}.pid)`], { allowFailure: true, timeoutMs: 5000 })
      await ping
      return output()
    },
  }
}

/** Counts over the output of `ping -D -O`. The last ping may still be on its way and does not count. */
export function lossOf(output: string): PingLoss {
  const answers = [...output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+) /gm)].map(
    ([, time, sequence]) => ({
      timeMs: Number(time) * 1000,
      sequence: Number(sequence),
    }),
  )
  const last = Math.max(0, ...answers.map(({ sequence }) => sequence))
  const answered = new Set(answers.map(({ sequence }) => sequence)).size
  const gaps = answers.slice(1).map(({ timeMs }, index) => timeMs - (answers[index]?.timeMs ?? timeMs))
  return { sent: last, lost: last - answered, gapMs: Math.max(0, Math.max(0, ...gaps) - INTERVAL_MS) }
}
