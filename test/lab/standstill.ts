/** How long a guest stands still while it is moved live: from its end at the source to its first step at the target. */
import type { Host } from './host.ts'

/** `end` gives ms; undefined when libvirt told of no such move. */
export type StandstillMeter = { end(): Promise<number | undefined> }

/** Follows what libvirt of both hosts says of a guest, for `limitS` at most. */
export async function startStandstillMeter(
  vm: string,
  source: Host,
  target: Host,
  limitS = 120,
): Promise<StandstillMeter> {
  const follow = async (host: Host): Promise<() => Promise<string>> => {
    const file = `/run/events-${vm}`
    const follower = `stdbuf -oL virsh event --event lifecycle --loop --timestamp --timeout ${limitS} >${file}.out`
    const script = `echo $$ >${file}.pid; exec ${follower}`
    const running = host.sh(['bash', '-c', script], { allowFailure: true, timeoutMs: (limitS + 5) * 1000 })
    // Read late: what it says counts, not how it ends.
    running.catch(() => undefined)
    return async () => {
      await host.sh(['bash', '-c', `kill $(cat ${file}.pid)`], { allowFailure: true, timeoutMs: 5000 })
      await running
      return (await host.sh(['cat', `${file}.out`], { timeoutMs: 5000 })).stdout
    }
  }
  const ends = await Promise.all([source, target].map(follow))
  return {
    async end() {
      const [left = '', arrived = ''] = await Promise.all(ends.map((end) => end()))
      const stoppedMs = momentOf(left, vm, /Suspended/)
      const resumedMs = momentOf(arrived, vm, /Resumed/)
      return stoppedMs === undefined || resumedMs === undefined ? undefined : resumedMs - stoppedMs
    },
  }
}

/** When virsh printed the last such event of a guest; the hosts of a lab share one clock. */
function momentOf(output: string, vm: string, event: RegExp): number | undefined {
  const line = output.split('\n').findLast((each) => each.includes(`domain '${vm}'`) && event.test(each))
  const when = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d+)/.exec(line ?? '')
  return when === null ? undefined : Date.parse(`${when[1]}T${when[2]}Z`)
}
