import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { DomainEnd } from '../../ports/files.ts'
import { unlessGone } from './atomic-file.ts'

/** QEMU has little to say after libvirt has written down its end. */
const TAIL_BYTES = 65_536

/** What libvirt itself writes into a domain's log, in UTC: one line when it starts a QEMU, one when that has ended. */
const MARK = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\+0000: (?:starting up|shutting down, reason=(\S+))/gm

/** The end of the latest QEMU by libvirt's log; undefined when it runs still, or nothing is said of it. */
export function parseLatestEnd(log: string): DomainEnd | undefined {
  const [, day, time, reason] = [...log.matchAll(MARK)].at(-1) ?? []
  return reason === undefined ? undefined : { reason, atWallMs: Date.parse(`${day}T${time}Z`) }
}

/** @param directory where libvirt keeps the logs of its domains: `/var/log/libvirt/qemu` */
export async function readLatestEnd(directory: string, name: string): Promise<DomainEnd | undefined> {
  const text = await unlessGone(readTail(join(directory, `${name}.log`)))
  return text === undefined ? undefined : parseLatestEnd(text)
}

async function readTail(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const position = Math.max(0, size - TAIL_BYTES)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(TAIL_BYTES), position })
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
