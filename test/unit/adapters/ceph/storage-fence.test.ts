import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseBlocklist, parseOsdDump, parseOsdStatus } from '../../../../src/adapters/ceph/parse-fence.ts'
import { createStorageFence } from '../../../../src/adapters/ceph/storage-fence.ts'
import type { CommandOutcome } from '../../../../src/adapters/process/command.ts'

const data = (name: string) => readFileSync(new URL(`../../../data/ceph-16.2.15/${name}`, import.meta.url), 'utf8')
const exited = (exitCode: number, stdout = '', stderr = ''): CommandOutcome => ({
  kind: 'exited',
  exitCode,
  stdout,
  stderr,
  durationMs: 1,
})

function fenceWith(answer: (line: string) => CommandOutcome | undefined) {
  const lines: string[] = []
  const signals: (AbortSignal | undefined)[] = []
  const fence = createStorageFence({
    user: 'admin',
    configFile: '/etc/ceph/ceph.conf',
    deadlineMs: 2000,
    run: async (command) => {
      const [user, configFile, waitS, groups = ''] = command.args.slice(-4)
      expect([user, configFile, waitS, command.deadlineMs]).toEqual(['admin', '/etc/ceph/ceph.conf', '1', 2000])
      lines.push(groups)
      signals.push(command.signal)
      return answer(groups) ?? exited(0)
    },
  })
  return { fence, lines, signals }
}

describe('output of ceph 16.2.15', () => {
  it('gives the entries of the blocklist with their expiry', () => {
    expect(parseBlocklist(data('osd-blocklist-ls-hosts.json'))).toEqual([
      { address: '10.90.1.12:0/0', untilMs: Date.UTC(2027, 10, 21, 14, 44, 22, 590) },
      { address: '10.90.1.13:0/0', untilMs: Date.UTC(2027, 10, 21, 14, 43, 38, 673) },
    ])
    expect(parseBlocklist(data('osd-blocklist-ls.json')).map(({ address }) => address)).toEqual([
      '10.90.0.1:0/14396062',
      '10.9.8.0:0/24',
    ])
    expect(parseBlocklist(data('osd-blocklist-ls-empty.json'))).toEqual([])
  })

  it('gives epoch, OSDs and blocklist of one map', () => {
    const map = parseOsdDump(data('osd-dump.json'))
    expect(map.epoch).toBe(23)
    expect(map.osds).toEqual([11, 12, 13].map((n, id) => ({ id, isUp: true, addresses: [`10.90.1.${n}`] })))
    expect(map.blocklist.map(({ address }) => address).sort()).toEqual(['10.90.1.12:0/0', '10.90.1.13:0/0'])
  })

  it('gives the map an OSD works with', () => {
    expect(parseOsdStatus(data('osd-tell-status.json'))).toEqual({ id: 1, epoch: 24 })
  })

  it.each(['', 'null', '[{"addr":"10.0.0.1:0/0"}]', '[{"addr":"10.0.0.1:0/0","until":"soon"}]'])(
    'never reads the unknown answer %j as an empty blocklist',
    (text) => expect(() => parseBlocklist(text)).toThrow(/cannot be understood|empty/),
  )
})

describe('blocklisting', () => {
  it('adds whole addresses and believes them only when the map shows them', async () => {
    const { fence, lines } = fenceWith((line) =>
      line.includes('osd dump') ? exited(0, data('osd-dump.json')) : undefined,
    )
    const { epoch, osds } = await fence.blocklist(['10.90.1.12', '10.90.1.13'], 3600)
    expect([epoch, osds.map(({ id }) => id)]).toEqual([23, [0, 1, 2]])
    const add = { prefix: 'osd blocklist', blocklistop: 'add', expire: 3600 }
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      [
        [{ command: { ...add, addr: '10.90.1.12:0/0' } }, { command: { ...add, addr: '10.90.1.13:0/0' } }],
        [{ command: { prefix: 'osd dump', format: 'json' } }],
      ],
    ])
    await expect(fence.blocklist(['fd00:0::1'], 3600)).rejects.toThrow(
      'Ceph took fd00:0::1, but its blocklist does not show',
    )
  })

  it('proves its right and leaves nothing', async () => {
    const { fence, lines } = fenceWith(() => undefined)
    await fence.mayBlocklist()
    const [[[added]], [[removed]]] = lines.map((line) => JSON.parse(line))
    expect(added.command).toMatchObject({ blocklistop: 'add', addr: '192.0.2.1:0/1', expire: 5 })
    expect(removed.command).toMatchObject({ blocklistop: 'rm', addr: '192.0.2.1:0/1' })
    const denied = fenceWith(() => exited(13, '', data('osd-down-denied.stderr')))
    await expect(denied.fence.mayBlocklist()).rejects.toMatchObject({ code: 'PVC_CEPH_FAILED' })
  })

  it('gives every command the signal that ends it', async () => {
    const { fence, signals } = fenceWith(() => exited(0, data('osd-dump.json')))
    const { signal } = new AbortController()
    await fence.blocklist(['10.90.1.12'], 60, signal)
    await fence.markDown([2], signal)
    await fence.unblocklist(['10.90.1.12'], signal)
    expect(signals.every((each) => each === signal)).toBe(true)
  })
})

describe('the maps of OSDs', () => {
  it('are asked for one by one; the silent ones are missing', async () => {
    const { fence } = fenceWith((line) => {
      if (line.includes('"osd":1')) return exited(0, data('osd-tell-status.json'))
      return line.includes('"osd":2')
        ? exited(6, '', 'No such device or address')
        : { kind: 'timeout', stdout: '', stderr: '', durationMs: 2000 }
    })
    expect([...(await fence.osdEpochs([0, 1, 2]))]).toEqual([[1, 24]])
  })

  it('cannot be asked for with too small a right, which is said', async () => {
    const { fence } = fenceWith(() => exited(13, '', data('osd-tell-denied.stderr')))
    await expect(fence.osdEpochs([1])).rejects.toThrow(
      "Ceph user admin may not ask OSDs for their map; give it osd 'allow *'",
    )
  })

  it('are not touched when there is nothing to mark down', async () => {
    const { fence, lines } = fenceWith(() => undefined)
    await fence.markDown([])
    await fence.markDown([2, 5])
    expect(lines.map((line) => JSON.parse(line))).toEqual([[[{ command: { prefix: 'osd down', ids: ['2', '5'] } }]]])
  })
})
