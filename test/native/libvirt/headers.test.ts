import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { EVENT_KINDS } from '../../../src/adapters/libvirt/event.ts'
import * as flag from '../../../src/adapters/libvirt/flag.ts'
import { VIR_ERR, VIR_FROM } from '../../../src/adapters/libvirt/libvirt-error.ts'
import * as word from '../../../src/adapters/libvirt/word.ts'

/** What the C compiler says each name is, from the headers the addon is built with. */
function valuesOf(names: readonly string[]): Record<string, number> {
  const folder = mkdtempSync(join(tmpdir(), 'pvc-headers-'))
  try {
    const lines = names.map((name) => `printf("%s %lld\\n", "${name}", (long long)${name});`)
    const source = `#define VIR_ENUM_SENTINELS
#include <stdio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
int main(void) { ${lines.join('\n')} return 0; }`
    writeFileSync(join(folder, 'values.c'), source)
    execFileSync('cc', ['-w', '-o', join(folder, 'values'), join(folder, 'values.c')], { timeout: 30_000 })
    const output = execFileSync(join(folder, 'values'), { encoding: 'utf8', timeout: 10_000 })
    return Object.fromEntries(
      output
        .trim()
        .split('\n')
        .map((line) => {
          const [name = '', value = ''] = line.split(' ')
          return [name, Number(value)]
        }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function screaming(text: string): string {
  return text.toUpperCase().replaceAll('-', '_')
}

function prefixed(prefix: string, table: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(table).map(([name, value]) => [`${prefix}_${name}`, value])
}

/** Each word at its place, and the list as long as the enumeration. */
function enumerated(prefix: string, words: readonly string[], first = 0): [string, number][] {
  const entries = words.map((each, index): [string, number] => [`${prefix}_${screaming(each)}`, index])
  return [...entries.slice(first), [`${prefix}_LAST`, words.length]]
}

const expected: [string, number][] = [
  ...prefixed('VIR_ERR', VIR_ERR),
  ...prefixed('VIR_FROM', VIR_FROM),
  ...prefixed('VIR_MIGRATE', flag.MIGRATE),
  ...prefixed('VIR_CONNECT_COMPARE_CPU', flag.COMPARE_CPU),
  ...prefixed('VIR_DOMAIN_STATS', flag.STATS),
  ...prefixed('VIR_CONNECT_GET_ALL_DOMAINS_STATS', flag.LIST),
  ...prefixed('VIR_DOMAIN_START', flag.START),
  ...prefixed('VIR_DOMAIN_DEFINE', flag.DEFINE),
  ...prefixed('VIR_DOMAIN_UNDEFINE', flag.UNDEFINE),
  ...prefixed('VIR_DOMAIN_SHUTDOWN', flag.SHUTDOWN),
  ...prefixed('VIR_DOMAIN_REBOOT', flag.REBOOT),
  ...prefixed('VIR_DOMAIN_DESTROY', flag.DESTROY),
  ...prefixed('VIR_DOMAIN_XML', flag.XML),
  ...prefixed('VIR_DOMAIN_AFFECT', flag.AFFECT),
  ...prefixed('VIR_DOMAIN_MEM', flag.MEM),
  ...prefixed('VIR_DOMAIN_VCPU', flag.VCPU),
  ...prefixed('VIR_DOMAIN_JOB_STATS', flag.JOB_STATS),
  ...prefixed('VIR_DOMAIN_GUEST_INFO', flag.GUEST_INFO),
  ...prefixed('VIR_DOMAIN_CONSOLE', flag.CONSOLE),
  ['VIR_DOMAIN_METADATA_ELEMENT', 2],
  ['VIR_DOMAIN_BLOCK_RESIZE_BYTES', 1],
  ['VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE', 0],
  ['VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT', 1],
  ['VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP', 2],
  ...enumerated('VIR_DOMAIN', word.DOMAIN_STATES),
  ...Object.entries(word.STATE_REASONS).flatMap(([state, words]) =>
    enumerated(`VIR_DOMAIN_${screaming(state)}`, words),
  ),
  ...enumerated('VIR_DOMAIN_EVENT', word.LIFECYCLE_EVENTS),
  ...Object.entries(word.LIFECYCLE_DETAILS).flatMap(([event, words]) =>
    enumerated(`VIR_DOMAIN_EVENT_${screaming(event)}`, words),
  ),
  ...enumerated('VIR_DOMAIN_EVENT_IO_ERROR', word.IO_ERROR_ACTIONS),
  ...enumerated('VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE', word.AGENT_STATES, 1),
  ...enumerated('VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON', word.AGENT_REASONS),
  ...enumerated('VIR_CONNECT_CLOSE_REASON', word.CLOSE_REASONS),
  ...enumerated('VIR_DOMAIN_CONTROL', word.CONTROL_STATES),
  ...enumerated('VIR_DOMAIN_JOB', word.JOB_TYPES),
  ...enumerated('VIR_DOMAIN_DISK_ERROR', word.DISK_ERRORS),
  ...enumerated('VIR_CPU_COMPARE', word.CPU_COMPARISONS),
  ...Object.entries(EVENT_KINDS).map(([kind, { id }]): [string, number] => [
    `VIR_DOMAIN_EVENT_ID_${kind === 'io-error' ? 'IO_ERROR_REASON' : screaming(kind)}`,
    id,
  ]),
]

it('every number and word equals the C header', () => {
  expect(valuesOf(expected.map(([name]) => name))).toEqual(Object.fromEntries(expected))
})

it('a number of a newer libvirt is named, not lost', () => {
  expect(word.wordOf(word.JOB_TYPES, 99)).toBe('unknown-99')
  expect(word.stateWords(3, 99)).toEqual({ state: 'paused', reason: 'unknown-99' })
  expect(word.stateWords(42, 1)).toEqual({ state: 'nostate', reason: 'unknown-state-42' })
})
