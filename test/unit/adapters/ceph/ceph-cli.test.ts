import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createCephCli } from '../../../../src/adapters/ceph/ceph-cli.ts'
import { toolMessage } from '../../../../src/adapters/ceph/tool.ts'
import type { Command, CommandOutcome } from '../../../../src/adapters/process/command.ts'
import { PoolName, VolumeName, VolumeRef } from '../../../../src/model/ids.ts'
import type { Pool } from '../../../../src/model/storage.ts'

const data = (name: string) => readFileSync(new URL(`../../../data/${name}`, import.meta.url), 'utf8')
const pool = PoolName.parse('vms')
const volume = VolumeName.parse('a')
const ref = VolumeRef.parse('vms/a')

type Answer = (line: string) => CommandOutcome | undefined

function exited(exitCode: number, stdout = '', stderr = ''): CommandOutcome {
  return { kind: 'exited', exitCode, stdout, stderr, durationMs: 1 }
}

/** The adapter with tools that answer as told; unknown commands succeed with an empty answer. */
function cephWith(answer: Answer) {
  const commands: Command[] = []
  const lines: string[] = []
  const ceph = createCephCli({
    user: 'pvc',
    configFile: '/etc/ceph/ceph.conf',
    deadlineMs: 5000,
    lockDeadlineMs: 8000,
    run: async (command) => {
      const line = [command.file, ...command.args].join(' ')
      commands.push(command)
      lines.push(line.replace(/ --(id|conf|connect-timeout) \S+| --\w+_timeout=\d+/g, ''))
      return answer(line) ?? exited(0)
    },
  })
  return { ceph, commands, lines }
}

describe('a command', () => {
  it('names user and configuration, and ends by itself before it is killed', async () => {
    const { ceph, commands } = cephWith(() => exited(0, '[]'))
    await ceph.volumeInfo(pool, volume).catch(() => undefined)
    await ceph.listPools()
    expect(commands[0]?.args).toEqual(
      expect.arrayContaining(['--id', 'pvc', '--conf', '/etc/ceph/ceph.conf', '--rados_osd_op_timeout=4']),
    )
    expect(commands[1]?.args).toEqual(expect.arrayContaining(['--connect-timeout', '4']))
    expect(commands.every((command) => command.deadlineMs === 5000)).toBe(true)
  })

  it.each([
    [exited(2, '', data('rbd-16.2.15/info-missing.stderr')), 'PVC_CEPH_NOT_FOUND', 'error opening image nope'],
    [exited(17, '', data('rbd-16.2.15/create-exists.stderr')), 'PVC_CEPH_EXISTS', 'File exists'],
    [exited(16, '', data('rbd-16.2.15/rm-in-use.stderr')), 'PVC_CEPH_BUSY', 'image still has watchers'],
    [exited(39, '', 'rbd: image has snapshots'), 'PVC_CEPH_BUSY', 'has snapshots'],
    [exited(110, '', 'rbd: (110) Connection timed out'), 'PVC_CEPH_TIMEOUT', 'timed out'],
    [exited(1, '', 'timed out\n'), 'PVC_CEPH_TIMEOUT', 'timed out'],
    [exited(1, '', 'failed to fetch mon config (--no-mon-config to skip)\n'), 'PVC_CEPH_TIMEOUT', 'mon config'],
    [exited(13, '', data('rbd-16.2.15/no-keyring.stderr')), 'PVC_CEPH_FAILED', "couldn't connect to the cluster"],
    [exited(5), 'PVC_CEPH_FAILED', 'exit code 5'],
    [{ kind: 'timeout', stdout: '', stderr: '', durationMs: 5000 }, 'PVC_CEPH_TIMEOUT', 'within 5000 ms'],
    [{ kind: 'signalled', signal: 'SIGSEGV', stdout: '', stderr: '', durationMs: 5 }, 'PVC_CEPH_FAILED', 'SIGSEGV'],
    [{ kind: 'not-started', error: new Error('ENOENT') }, 'PVC_CEPH_FAILED', 'could not be started'],
  ] as const)('that ends as %j is %s', async (outcome, code, words) => {
    const { ceph } = cephWith(() => outcome)
    await expect(ceph.volumeInfo(pool, volume)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`^reading volume vms/a failed: .*${words}`)),
    })
  })
})

describe('volumes', () => {
  it('are made with an exclusive lock, to the byte', async () => {
    const { ceph, lines } = cephWith(() => undefined)
    await ceph.createVolume(pool, volume, 100_000_000)
    expect(lines).toEqual([
      'rbd create vms/a --size 100000000B --image-feature layering,exclusive-lock,object-map,fast-diff,deep-flatten',
    ])
  })

  it('in use are not touched by a removal: rbd would take the lock away from the guest', async () => {
    const { ceph, lines } = cephWith(() => exited(0, data('rbd-16.2.15/status-one.json')))
    await expect(ceph.removeVolume(pool, volume)).rejects.toMatchObject({
      code: 'PVC_CEPH_BUSY',
      message: expect.stringContaining('127.0.0.1:0/27299963'),
    })
    expect(lines.some((line) => line.startsWith('rbd rm'))).toBe(false)
  })

  it('have their dead locks broken without a second blocklisting; a lock that is gone is no error', async () => {
    const { ceph, commands, lines } = cephWith(() =>
      exited(2, '', 'rbd: releasing lock failed: (2) No such file or directory'),
    )
    await ceph.breakLock(ref, { lockId: 'auto 1', locker: 'client.2', address: '10.0.0.1:0/3' })
    await ceph.evictLocker(ref, { lockId: 'auto 1', locker: 'client.2', address: '10.0.0.1:0/3' }, 3600)
    expect(lines).toEqual([
      'rbd lock rm --rbd_blocklist_on_break_lock=false vms/a auto 1 client.2',
      'rbd lock rm --rbd_blocklist_on_break_lock=true --rbd_blocklist_expire_seconds=3600 vms/a auto 1 client.2',
    ])
    expect(commands.map(({ deadlineMs }) => deadlineMs)).toEqual([8000, 8000])
  })
})

describe('making a pool', () => {
  const spec: Pool = { name: PoolName.parse('fast'), pgs: 64, tier: 'ssd', copies: 3, minCopies: 2 }
  const answerFor =
    (failing: string): Answer =>
    (line) => {
      if (line.includes('osd pool ls')) return exited(0, '["vms"]')
      return line.includes(failing) ? exited(22, '', 'Error EINVAL: no') : undefined
    }

  it('sets copies, tier and RBD use', async () => {
    const { ceph, lines } = cephWith(answerFor('nothing'))
    await ceph.createPool(spec)
    expect(lines.slice(1)).toEqual([
      'ceph osd crush rule create-replicated ssd_tier default host ssd',
      'ceph osd pool create fast 64 64 replicated ssd_tier --autoscale-mode=off',
      'ceph osd pool set fast size 3',
      'ceph osd pool set fast min_size 2',
      'rbd pool init fast',
    ])
  })

  it('refuses a pool that is there', async () => {
    const { ceph, lines } = cephWith(answerFor('nothing'))
    await expect(ceph.createPool({ ...spec, name: PoolName.parse('vms') })).rejects.toMatchObject({
      code: 'PVC_CEPH_EXISTS',
    })
    expect(lines).toHaveLength(1)
  })

  it.each(['set fast size', 'set fast min_size', 'pool init'])(
    'leaves nothing behind when "%s" fails',
    async (step) => {
      const { ceph, lines } = cephWith(answerFor(step))
      await expect(ceph.createPool(spec)).rejects.toMatchObject({ code: 'PVC_CEPH_FAILED', details: {} })
      expect(lines.at(-1)).toBe('ceph osd pool rm fast fast --yes-i-really-really-mean-it')
    },
  )

  it('says so when the half-made pool cannot be removed', async () => {
    const { ceph } = cephWith((line) =>
      line.includes('pool rm') ? exited(1, '', 'Error EPERM: pool deletion is disabled') : answerFor('min_size')(line),
    )
    await expect(ceph.createPool(spec)).rejects.toMatchObject({
      details: { leftover: true },
      message: expect.stringContaining('pool deletion is disabled'),
    })
  })

  it('removes nothing when the pool was not made', async () => {
    const { ceph, lines } = cephWith(answerFor('pool create'))
    await expect(ceph.createPool(spec)).rejects.toMatchObject({ code: 'PVC_CEPH_FAILED' })
    expect(lines.some((line) => line.includes('pool rm'))).toBe(false)
  })
})

it('shows the words of a tool without the log lines of its libraries', () => {
  expect(toolMessage(data('rbd-16.2.15/create-exists.stderr'))).toBe('rbd: create error: (17) File exists')
  expect(toolMessage('rbd: create error: 2026-11-21T03:29:07.702+0000 7f73a8a57380 -1 librbd: exists\n')).toBe(
    'rbd: create error: librbd: exists',
  )
  expect(toolMessage('2026-11-21T03:29:07.702+0000 7f73a8a57380 -1 only log\n')).toBe('only log')
  expect(toolMessage('')).toBe('')
})
