/** Guests that bare virsh moves, beside those of the cluster: what a bench compares with. */
import { readFileSync } from 'node:fs'
import type { Lab } from '../lab/lab.ts'

/** Name of a bare guest. */
export function bareName(guest: number): string {
  return `bare${guest}`
}

/**
 * Lets hosts start guests of such a name without a permit. Bare means bare: pvcnoded leaves a domain alone that it knows
 * nothing of, and the hook asks nothing about it.
 */
export async function allowBare(lab: Lab): Promise<void> {
  const hook = '/etc/libvirt/hooks/qemu'
  const wrapper = `#!/bin/sh\ncase $1 in bare*) exit 0;; esac\nexec ${hook}.pvc "$@"\n`
  const file = lab.sharedFile('hook', wrapper)
  for (const host of lab.hosts)
    await host.sh(['bash', '-c', `mv ${hook} ${hook}.pvc && install -m 755 ${file} ${hook}`])
}

/** Starts a bare guest at a host, on a volume of its own. */
export async function startBare(lab: Lab, guest: number, host: string): Promise<void> {
  const name = bareName(guest)
  await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', name, '16M'])
  const xml = await lab.guestXml({ name, uuid: `aaaaaaaa-0000-4000-8000-0000000000e${guest}`, volume: `vms/${name}` })
  await lab.host(host).sh(['virsh', '-q', 'create', lab.sharedFile(`${name}.xml`, xml)], { timeoutMs: 60_000 })
}

/** `virsh migrate` as one would type it. */
export async function moveBare(lab: Lab, guest: number, from: string, to: string): Promise<void> {
  const uri = `qemu+tcp://${lab.host(to).address('cluster')}/system`
  const argv = ['virsh', '-q', 'migrate', '--live', '--p2p', bareName(guest), uri]
  await lab.host(from).sh(argv, { timeoutMs: 120_000 })
}

/** The machine's load over the last minute. */
export function loadNow(): number {
  return Number.parseFloat(readFileSync('/proc/loadavg', 'utf8'))
}
