/** What an onlooker sees of fencing, where the coordinators of a scenario choose a primary. */
import { NodeName } from '../../src/model/ids.ts'
import type { StoreSession } from '../../src/ports/store.ts'
import { tree } from '../../src/schema/tree.ts'
import type { Machine } from './machine.ts'
import type { Fencing } from './primary.ts'

/** The primary, and of every node that was ever fenced: its journal, its power and its entries in the blocklist. */
export async function observeFencing(
  machines: ReadonlyMap<string, Machine>,
  { power, osds }: Fencing,
  session: StoreSession,
  seen: Map<string, string>,
): Promise<void> {
  const lease = await session.get(tree.primary.lease)
  seen.set('primary', lease === undefined ? 'nobody' : lease.value.node)
  const primary = lease === undefined ? undefined : machines.get(lease.value.node)?.primary
  const faults = primary?.faults.list().map(({ id }) => id) ?? []
  seen.set('faults', `[${faults.sort().join(' ')}]`)
  for (const [name, machine] of machines) {
    const journal = (await session.get(tree.node(NodeName.parse(name)).fence))?.value
    if (journal === undefined || journal.seq === 0) continue
    const { state, seq, evidence, deadLives, victims, stuck } = journal
    const parts = [
      `${state} ${seq}`,
      `evidence [${evidence.map(({ kind }) => kind).join(' ')}]`,
      `dead [${deadLives.join(' ')}]`,
      ...victims.map((vm) => `${vm.name} ${vm.state}${vm.target === null ? '' : ` to ${vm.target}`}`),
      ...(stuck === '' ? [] : [stuck]),
    ]
    seen.set(`journal ${name}`, parts.join(', '))
    seen.set(`power ${name}`, power.isOn(name) ? 'on' : 'off')
    const isListed = machine.config.node.storageAddresses.some((ip) => osds.ceph.isBlocklisted(`${ip}:0/0`))
    seen.set(`ceph ${name}`, isListed ? 'shut out' : 'let in')
  }
}
