/** The devices of a network namespace of its own, through the real `ip`. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createLinks } from '../../src/adapters/links/links.ts'
import { run } from '../lab/command.ts'
import { pollUntil } from '../lab/poll.ts'
import { describeLinks, type LinksWorld } from './links.contract.ts'

async function openNamespace(): Promise<LinksWorld> {
  const holder = spawn('unshare', ['--net', 'sleep', '120'], { stdio: 'ignore' })
  const namespace = (pid: number | string | undefined): string => readlinkSync(`/proc/${pid}/ns/net`)
  const inside = ['nsenter', `--net=/proc/${holder.pid}/ns/net`]
  const ip = (line: string) => run(inside, ['ip', ...line.split(' ')], { timeoutMs: 10_000 })
  await pollUntil({ what: 'the namespace', timeoutMs: 5000 }, async () => namespace(holder.pid) !== namespace('self'))
  await ip('link add eth9 type veth peer name eth9p')
  await ip('link set eth9 up')
  const links = createLinks({ clock: createSystemClock(), log: new FakeLog(), prefix: inside })
  return {
    links,
    async remove(name) {
      await ip(`link delete ${name}`)
    },
    async close() {
      links.close()
      const ended = new Promise((resolve) => holder.once('exit', resolve))
      holder.kill('SIGKILL')
      await ended
    },
  }
}

describeLinks('the kernel', openNamespace)

describe('kernel settings', () => {
  it('are written where they differ; one that is not there is a failure, unless it may be absent', async () => {
    const settingsDir = mkdtempSync(join(tmpdir(), 'pvc-settings-'))
    try {
      writeFileSync(join(settingsDir, 'one'), '0\n')
      const links = createLinks({ clock: createSystemClock(), log: new FakeLog(), settingsDir })
      const failures = await links.keep([
        { key: 'one', value: '1' },
        { key: 'gone', value: '1' },
        { key: 'absent', value: '1', mayBeAbsent: true },
      ])
      expect(failures.map(({ name }) => name)).toEqual(['gone'])
      expect(readFileSync(join(settingsDir, 'one'), 'utf8')).toBe('1')
    } finally {
      rmSync(settingsDir, { recursive: true })
    }
  })
})
