/** Decides which tables of the packet filter are wanted, and which of them are made anew or go. Pure. */
import {
  aclTable,
  aclTableName,
  aclTableVni,
  HOST_TABLE,
  hasRules,
  hostTable,
  withoutTable,
} from '../../model/acl-text.ts'
import type { Network, NetworkAcls } from '../../model/network.ts'
import { SPOOFING_TABLE } from './spoofing.ts'

/** A table as nftables has it. */
type PresentTable = { readonly family: string; readonly name: string; readonly chains: readonly string[] }

/** A table as it is to be. */
export type WantedTable = {
  readonly family: 'inet' | 'bridge'
  readonly name: string
  /** Replaces the table as a whole. */
  readonly text: string
  /** Network whose rules are in it; undefined: it has none of an operator. */
  readonly vni?: number
}

/** A table that is made, replaced or removed. */
export type TableChange = { readonly key: string; readonly text: string; readonly wanted: WantedTable | undefined }

/** What this daemon knows of the tables that it made: their texts, and the texts that nftables refused, by key. */
export type FilterMemory = {
  readonly applied: ReadonlyMap<string, string>
  readonly refused: ReadonlyMap<string, { readonly text: string }>
}

/**
 * All tables that are to be; `spoofing`: the text of that which holds guests to their addresses, if there is one. Guests of
 * `unreadable` networks are kept from the host like all others.
 */
export function wantedTables(
  networks: readonly { readonly network: Network; readonly acls: NetworkAcls }[],
  spoofing: string | undefined,
  unreadable: ReadonlySet<number> = new Set(),
): readonly WantedTable[] {
  const managed = networks.filter(({ network }) => network.type === 'managed')
  const host = [...managed.map(({ network }) => network.vni), ...unreadable].sort((a, b) => a - b)
  const own = managed.filter(({ acls }) => hasRules(acls))
  return [
    ...(host.length === 0 ? [] : [{ family: 'inet' as const, name: HOST_TABLE, text: hostTable(host) }]),
    ...own.map(({ network, acls }) => {
      const { vni } = network
      return { family: 'inet' as const, name: aclTableName(vni), text: aclTable(network, acls), vni }
    }),
    ...(spoofing === undefined ? [] : [{ family: 'bridge' as const, name: SPOOFING_TABLE, text: spoofing }]),
  ]
}

/**
 * What changes, removals last. `present`: the tables there are; undefined when nobody looked, and then they are taken to be as
 * this daemon made them. A table from before is replaced, because nobody knows what it says. A text that was refused is tried
 * again at a look only. Rules of `unreadable` networks stay as they are.
 */
export function decideFilter(
  wanted: readonly WantedTable[],
  present: readonly PresentTable[] | undefined,
  { applied, refused }: FilterMemory,
  unreadable: ReadonlySet<number> = new Set(),
): readonly TableChange[] {
  const there = present && new Map(present.map((table) => [keyOf(table), table.chains]))
  const made = wanted
    .map((table): TableChange => ({ key: keyOf(table), text: table.text, wanted: table }))
    .filter(({ key, text }) => {
      if (there === undefined && refused.get(key)?.text === text) return false
      return applied.get(key) !== text || (there !== undefined && !isWhole(text, there.get(key)))
    })
  const isWanted = new Set(wanted.map(keyOf))
  const known = there === undefined ? [...applied.keys()] : (present ?? []).filter(isOurs).map(keyOf)
  const kept = new Set([...unreadable].map((vni) => keyOf({ family: 'inet', name: aclTableName(vni) })))
  const stale = known.filter((key) => !isWanted.has(key) && !kept.has(key))
  const gone = stale.map((key): TableChange => {
    const [family = '', name = ''] = key.split(' ')
    return { key, text: withoutTable(family, name), wanted: undefined }
  })
  return [...made, ...gone]
}

/** Whether a table still has every chain of its text. */
function isWhole(text: string, chains: readonly string[] = []): boolean {
  return [...text.matchAll(/^ {2}chain (\S+) \{$/gm)].every(([, name = '']) => chains.includes(name))
}

function isOurs({ family, name }: PresentTable): boolean {
  if (family === 'bridge') return name === SPOOFING_TABLE
  return family === 'inet' && (name === HOST_TABLE || aclTableVni(name) !== undefined)
}

/** Name of a table among all families. */
export function keyOf({ family, name }: { readonly family: string; readonly name: string }): string {
  return `${family} ${name}`
}
