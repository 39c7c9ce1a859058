/** What `pvc` says about a VM and the nodes, for stories. */
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'

/** The fields of `pvc vm info -f json` that stories look at. */
export type VmView = {
  name: string
  state: string
  node: string
  failed_reason: string
  move_failed_reason: string
  migration: { to: string; percent: number | null } | null
  uuid: string
}
/** The fields of `pvc node list -f json` that stories look at. */
export type NodeView = { name: string; daemon_state: string; domain_state: string; pvc_version: string }

/** The VM as the API shows it now. */
export async function vmView(lab: Lab, vm: string): Promise<VmView> {
  const { stdout } = await lab.pvc(['-q', 'vm', 'info', vm, '-f', 'json'], { timeoutMs: 15_000 })
  const seen: VmView | VmView[] = JSON.parse(stdout)
  const one = Array.isArray(seen) ? seen[0] : seen
  if (one === undefined) throw new Error(`pvc vm info ${vm} printed an empty list`)
  return one
}

/** All nodes as the API shows them now. */
export async function nodeViews(lab: Lab): Promise<NodeView[]> {
  const { stdout } = await lab.pvc(['-q', 'node', 'list', '-f', 'json'], { timeoutMs: 15_000 })
  return JSON.parse(stdout) as NodeView[]
}

/** Waits until the VM is in `state`. */
export function untilVm(lab: Lab, vm: string, state: string, timeoutMs: number): Promise<VmView> {
  return pollUntil({ what: `VM ${vm} in state ${state}`, timeoutMs }, async () => {
    const seen = await vmView(lab, vm)
    return seen.state === state && seen
  })
}

/** Pid of a VM's QEMU inside its host; undefined while there is none. */
export async function qemuPid(lab: Lab, host: string, vm: string): Promise<number | undefined> {
  const { stdout } = await lab
    .host(host)
    .sh(['bash', '-c', 'cat "/run/libvirt/qemu/$1.pid" 2>/dev/null || true', 'pid', vm], { timeoutMs: 5000 })
  return stdout.trim() === '' ? undefined : Number(stdout)
}
