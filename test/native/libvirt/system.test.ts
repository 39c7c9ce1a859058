import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  bootTimeNs,
  pidfdKill,
  processStartTicks,
  sdNotify,
  waitProcessExit,
} from '../../../src/adapters/libvirt/system.ts'

const SYSTEM = new URL('../../../src/adapters/libvirt/system.ts', import.meta.url).href
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pvc-system-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A receiver of datagrams: Node.js has none for unix sockets. */
async function receiver(address: string) {
  const child = spawn(
    'python3',
    [
      '-c',
      `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.settimeout(10)
a = sys.argv[1]; s.bind('\\0' + a[1:] if a[0] == '@' else a)
print('bound', flush=True); print(s.recv(4096).decode(), flush=True)`,
      address,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
  await once(child.stdout, 'data')
  return async () => {
    await once(child, 'close')
    return lines.join('').replace('bound\n', '').trim()
  }
}

describe('sdNotify', () => {
  it('does nothing without a socket', () => expect(sdNotify('READY=1', '')).toBe(false))

  it.each([
    ['a path', () => join(folder, 'notify')],
    ['the abstract namespace', () => `@pvc-notify-${process.pid}`],
  ])('reaches %s', async (_name, address) => {
    const received = await receiver(address())
    expect(sdNotify('READY=1\nSTATUS=up', address())).toBe(true)
    expect(await received()).toBe('READY=1\nSTATUS=up')
  })

  it('reads NOTIFY_SOCKET and reports a dead socket', () => {
    process.env['NOTIFY_SOCKET'] = join(folder, 'nobody')
    expect(() => sdNotify('READY=1')).toThrow('No such file')
    delete process.env['NOTIFY_SOCKET']
    expect(sdNotify('READY=1')).toBe(false)
  })
})

describe('inherited descriptors', () => {
  /** Runs a program that a careless parent started with an open file and an open pipe. */
  function runWithLeaks(body: string): string {
    const leak = openSync(join(folder, 'leaked.lock'), 'a+')
    const result = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', `import * as system from '${SYSTEM}'\n${body}`],
      { stdio: ['ignore', 'pipe', 'inherit', leak, 'pipe'], encoding: 'utf8', timeout: 20_000 },
    )
    expect(result.status).toBe(0)
    return result.stdout.trim()
  }

  it('a leaked lock file is closed; the rest of Node.js works on', () => {
    const output = runWithLeaks(`
      const closed = system.closeInheritedFds()
      const { readdirSync, readlinkSync, promises } = await import('node:fs')
      const open = readdirSync('/proc/self/fd').map((fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return '' } })
      const text = await promises.readFile('/proc/self/comm', 'utf8')
      console.log(JSON.stringify({ closed, leaked: open.some((path) => path.endsWith('leaked.lock')), text: text.trim() }))`)
    // Whoever started the tests may have left more open than this test did.
    expect(JSON.parse(output)).toEqual({ closed: expect.arrayContaining([3]), leaked: false, text: 'node' })
  })

  it('children inherit nothing after setCloexecFrom', () => {
    const output = runWithLeaks(`
      system.setCloexecFrom(3)
      const { execFileSync } = await import('node:child_process')
      console.log(execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).trim().split('\\n').join(' '))`)
    // 3 is what ls itself opened to read the folder.
    expect(output).toBe('0 1 2 3')
  })
})

describe('processes', () => {
  const sleeper = () => spawn('sleep', ['60'], { stdio: 'ignore' })

  it('boot time is the clock of /proc/uptime', () => {
    const uptimeS = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
    expect(Math.abs(Number(bootTimeNs()) / 1e9 - uptimeS)).toBeLessThan(1)
  })

  it('start ticks name one process', () => {
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    expect(processStartTicks(process.pid)).toBe(Number(fields[19]))
    expect(processStartTicks(2 ** 22 + 1)).toBeUndefined()
    expect(readlinkSync('/proc/self')).toBe(String(process.pid))
  })

  it('a signal hits the process meant, never another with its pid', async () => {
    const child = sleeper()
    const pid = child.pid ?? 0
    const ticks = processStartTicks(pid) ?? 0
    expect(pidfdKill(pid, 9, ticks + 1)).toBe(false)
    expect(await waitProcessExit(pid, ticks, 0)).toBe(false)
    const waiting = waitProcessExit(pid, ticks, 10_000)
    expect(pidfdKill(pid, 15, ticks)).toBe(true)
    expect(await waiting).toBe(true)
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGTERM')
    expect(pidfdKill(pid, 15, ticks)).toBe(false)
    expect(await waitProcessExit(pid, ticks, 10_000)).toBe(true)
  })
})
