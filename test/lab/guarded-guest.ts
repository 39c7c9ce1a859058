/** The guest of the guard's stories and the guard of its host, as seen from outside. */
import { readFileSync } from 'node:fs'
import type { Lab } from './lab.ts'
import type { MovedGuest } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { expectThat } from './story.ts'
import { qemuPid } from './vm-view.ts'

export const guest: MovedGuest = { name: 'kept', uuid: 'aaaaaaaa-0000-4000-8000-000000000007' }
export const vm = guest.name
/** Where it runs. */
export const host = 'hv1'

/** All that the guard of the host ever wrote. */
export function guardLog(lab: Lab): string {
  return readFileSync(lab.host(host).log('guard'), 'utf8')
}

/** After how many ms without contact the guard struck, each time. */
export function latchesIn(log: string): number[] {
  return [...log.matchAll(/no contact for (\d+) ms: latch/g)].map(([, ms]) => Number(ms))
}

/** Waits for its QEMU. @returns the pid inside the host */
export async function untilRuns(lab: Lab): Promise<number> {
  return pollUntil({ what: `${vm} runs at ${host}`, timeoutMs: 60_000 }, () => qemuPid(lab, host, vm))
}

/** A dead process that nobody has reaped yet has no arguments any more. */
export async function isAlive(lab: Lab, pid: number): Promise<boolean> {
  const { stdout } = await lab
    .host(host)
    .sh(['bash', '-c', 'cat "/proc/$1/cmdline" 2>/dev/null | tr "\\0" " "; true', 'pid', String(pid)])
  return stdout !== ''
}

/** The guest runs as the same QEMU, and the guard has struck `latches` times so far. */
export async function expectUntouched(lab: Lab, pid: number, latches: number): Promise<void> {
  expectThat((await qemuPid(lab, host, vm)) === pid, 'another QEMU runs now, or none')
  expectThat(await isAlive(lab, pid), `QEMU ${pid} is dead`)
  expectThat(latchesIn(guardLog(lab)).length === latches, `the guard struck: ${guardLog(lab).slice(-600)}`)
}
