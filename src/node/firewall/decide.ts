/** Decides which tables of the packet filter are made anew, and which go. Pure. */
import { aclTable, aclTableName, aclTableVni } from '../../model/acl-text.ts'
import type { Network, NetworkAcls } from '../../model/network.ts'

type FilterTableName = { readonly family: string; readonly name: string }

export type FilterDecision = {
  /** Tables to be made or replaced, each with its text. */
  readonly replace: readonly { readonly vni: number; readonly text: string }[]
  readonly remove: readonly string[]
}

/** `applied`: the text of each table as this daemon last made it. What it finds from before is replaced: nobody knows what it says. */
export function decideFilter(
  networks: readonly { readonly network: Network; readonly acls: NetworkAcls }[],
  present: readonly FilterTableName[],
  applied: ReadonlyMap<number, string>,
): FilterDecision {
  const wanted = networks
    .filter(({ network }) => network.type === 'managed')
    .map(({ network, acls }) => ({ vni: network.vni as number, text: aclTable(network, acls) }))
  const names = present.filter(({ family }) => family === 'inet').map(({ name }) => name)
  const isThere = new Set(names)
  return {
    replace: wanted.filter(({ vni, text }) => applied.get(vni) !== text || !isThere.has(aclTableName(vni))),
    remove: names.filter((name) => {
      const vni = aclTableVni(name)
      return vni !== undefined && !wanted.some((each) => each.vni === vni)
    }),
  }
}
