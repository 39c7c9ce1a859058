import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { createLinks } from '../../../../src/adapters/links/links.ts'
import { createSriovCards } from '../../../../src/adapters/links/sriov.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-sriov-'))
  // As below /sys: the device is a link to its PCI function, which has links to its virtual functions.
  const pf = join(dir, 'pci/0000:06:00.1')
  mkdirSync(pf, { recursive: true })
  mkdirSync(join(dir, 'net/ens1f1'), { recursive: true })
  mkdirSync(join(dir, 'net/lo'))
  symlinkSync(pf, join(dir, 'net/ens1f1/device'))
  writeFileSync(join(pf, 'sriov_totalvfs'), '64\n')
  writeFileSync(join(pf, 'sriov_numvfs'), '0\n')
  for (const index of [0, 1, 10]) {
    const vf = join(dir, `pci/0000:06:10.${index % 8}`)
    mkdirSync(join(vf, index === 1 ? 'vfio-dev' : `net/ens1f1v${index}`), { recursive: true })
    symlinkSync(`../0000:06:10.${index % 8}`, join(pf, `virtfn${index}`))
  }
})
afterEach(() => rmSync(dir, { recursive: true }))

describe('cards as /sys shows them', () => {
  it('have virtual functions, some of which are with a guest', async () => {
    const cards = createSriovCards(join(dir, 'net'))
    expect(await cards.slots('ens1f1')).toEqual({
      possible: 64,
      slots: [
        { index: 0, pci: '0000:06:10.0', device: 'ens1f1v0' },
        { index: 1, pci: '0000:06:10.1', device: undefined },
        { index: 10, pci: '0000:06:10.2', device: 'ens1f1v10' },
      ],
    })
    expect(await cards.slots('lo')).toBeUndefined()
    expect(await cards.slots('gone0')).toBeUndefined()
  })

  it('are told how many to make', async () => {
    const cards = createSriovCards(join(dir, 'net'))
    await cards.create('ens1f1', 8)
    expect(readFileSync(join(dir, 'net/ens1f1/device/sriov_numvfs'), 'utf8')).toBe('8')
    await expect(cards.create('lo', 8)).rejects.toMatchObject({ code: 'PVC_NETWORK_FAILED' })
  })
})

describe('the set-up of a virtual function', () => {
  it('is one line for each thing, so that a driver may refuse one', async () => {
    const inputs: unknown[] = []
    const links = createLinks({
      clock: new ManualClock(),
      log: new FakeLog(),
      run: async ({ input }) => {
        inputs.push(input)
        return {
          kind: 'exited',
          exitCode: 1,
          stdout: '',
          stderr: 'RTNETLINK answers: Operation not supported\nCommand failed -:4\n',
          durationMs: 1,
        }
      },
    })
    const vlan = { vlanId: 12, vlanQos: 3 }
    const rest = { txRateMinMbit: 0, txRateMaxMbit: 500, linkState: 'auto', trust: true, queryRss: false } as const
    const failures = await links.apply([
      { kind: 'set-vf', name: 'ens1f1', index: 2, to: { ...vlan, ...rest } },
      { kind: 'set-vf', name: 'ens1f1', index: 3, to: { vlanId: 0, vlanQos: 0, spoofCheck: false } },
    ])
    expect(inputs).toEqual([
      [
        'link set ens1f1 vf 2 vlan 12 qos 3',
        'link set ens1f1 vf 2 max_tx_rate 500 min_tx_rate 0',
        'link set ens1f1 vf 2 state auto',
        'link set ens1f1 vf 2 trust on',
        'link set ens1f1 vf 2 query_rss off',
        'link set ens1f1 vf 3 vlan 0',
        'link set ens1f1 vf 3 spoofchk off',
        '',
      ].join('\n'),
    ])
    expect(failures).toEqual([{ name: 'ens1f1', reason: 'RTNETLINK answers: Operation not supported' }])
    links.close()
  })
})
