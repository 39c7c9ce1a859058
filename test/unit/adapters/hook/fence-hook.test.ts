import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../../src/adapters/clock/system.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { createFenceHook } from '../../../../src/adapters/hook/fence-hook.ts'
import { runCommand } from '../../../../src/adapters/process/command.ts'
import { CLOSED_JOURNAL, type FenceJournal } from '../../../../src/model/fence.ts'
import { BootId, NodeName } from '../../../../src/model/ids.ts'

const hv2 = NodeName.parse('hv2')
const clock = createSystemClock()
let dir: string
const servers: Server[] = []
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-hook-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

const journal = (state: FenceJournal['state'], stuck = ''): FenceJournal => ({
  ...CLOSED_JOURNAL,
  state,
  seq: 3,
  stuck,
})

function hookOf(hook: { command?: string[]; url?: string }, deadlineMs = 5000) {
  const log = new FakeLog()
  return { log, hook: createFenceHook({ cluster: 'c1', hook, run: runCommand, clock, log, deadlineMs }) }
}

async function web(status: number | undefined): Promise<{ url: string; bodies: string[] }> {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      bodies.push(body)
      if (status !== undefined) response.writeHead(status).end()
    })
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await new Promise((resolve) => server.once('listening', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-token`, bodies }
}

describe('the fence hook', () => {
  it('gives the command each step once, in order, as JSON on its standard input', async () => {
    const file = join(dir, 'told')
    const { hook } = hookOf({ command: ['bash', '-c', `cat >>${file}; echo >>${file}`] })
    const steps = [journal('open'), journal('open'), journal('open', 'no Ceph'), journal('evidence')]
    for (const each of [...steps, journal('recovered'), journal('closed')]) hook.announce(hv2, each)
    await hook.settled()
    const told = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(told.map(({ event }) => event)).toEqual(['open', 'stuck', 'evidence', 'recovered', 'closed'])
    expect(told[1]).toMatchObject({
      cluster: 'c1',
      node: 'hv2',
      seq: 3,
      text: 'Node hv2 cannot be fenced further: no Ceph.',
    })
    expect(hook.problem.value).toBeUndefined()
  })

  it.each([
    ['the end', journal('closed'), 'Node hv2 is back in the cluster.'],
    ['what holds it up', journal('open', 'no Ceph'), 'Node hv2 cannot be fenced further: no Ceph.'],
  ])('tells %s of a fence that an earlier primary began', async (_, later, text) => {
    const { url, bodies } = await web(204)
    const { hook } = hookOf({ url })
    hook.announce(hv2, later)
    await hook.settled()
    expect(bodies.map((body) => JSON.parse(body).text)).toEqual([text])
  })

  it('tells of a node that may not be fenced', async () => {
    const { url, bodies } = await web(204)
    const { hook } = hookOf({ url })
    hook.held(
      hv2,
      { ...journal('closed'), evidence: [{ kind: 'reboot', bootId: BootId.parse('b'), at: 0 }] },
      'It is held.',
    )
    await hook.settled()
    const told = bodies.map((body) => JSON.parse(body))
    expect(told).toMatchObject([{ node: 'hv2', event: 'held', seq: 3, text: 'It is held.', evidence: [], victims: [] }])
  })

  it('posts to the address', async () => {
    const { url, bodies } = await web(204)
    const { hook } = hookOf({ url })
    hook.announce(hv2, journal('open'))
    await hook.settled()
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ node: 'hv2', event: 'open' })
    expect(hook.problem.value).toBeUndefined()
  })

  it('says what failed, without the token in the address, until a call works', async () => {
    const { url } = await web(500)
    const { hook, log } = hookOf({ url, command: ['false'] })
    hook.announce(hv2, journal('open'))
    await hook.settled()
    expect(hook.problem.value).toMatch(/^the command false ended with 1; http:\/\/127\.0\.0\.1:\d+ answered 500$/)
    expect(JSON.stringify(log.entries)).not.toContain('secret-token')
    const gone = hookOf({ url: 'http://127.0.0.1:1/secret-token' })
    gone.hook.announce(hv2, journal('open'))
    await gone.hook.settled()
    expect(gone.hook.problem.value).toContain('could not be called')
    expect(gone.hook.problem.value).not.toContain('secret-token')
  })

  it('is bounded, and returns at once', async () => {
    const { url } = await web(undefined)
    const { hook } = hookOf({ url, command: ['sleep', '60'] }, 200)
    const began = performance.now()
    hook.announce(hv2, journal('open'))
    expect(performance.now() - began).toBeLessThan(1000)
    await hook.settled()
    expect(performance.now() - began).toBeLessThan(20_000)
    expect(hook.problem.value).toContain('took too long and was killed')
  })

  it('tells nobody when nothing is configured', async () => {
    const { hook, log } = hookOf({})
    hook.announce(hv2, journal('open'))
    await hook.settled()
    expect(log.entries).toEqual([])
  })
})
