import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pollUntil } from '../lab/poll.ts'
import { describePower } from './power.contract.ts'
import { commandWorld, ipmiWorld, type PowerWorld } from './power-world.ts'

describePower('ipmitool', ipmiWorld, true)
describePower('commands', commandWorld, false)

const signal = new AbortController().signal
const call = (deadlineMs = 8000) => ({ node: 'hv1', deadlineMs, signal })

describe('ipmitool on a BMC', () => {
  let world: PowerWorld
  beforeAll(async () => {
    world = await ipmiWorld()
  })
  afterAll(() => world.close())

  it.each([{ password: 'wrong-password' }, { user: 'nobody' }])('tells a refused login: %o', async (changed) => {
    if (world.access.method !== 'ipmi') throw new Error('no BMC')
    const answer = await world.power.status({ ...world.access, ...changed }, call())
    expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringContaining('refuses the login') })
    expect(JSON.stringify(answer)).not.toContain('wrong-password')
  })

  it('tells an unreachable BMC by ipmitool itself, when there is time for its retries', async () => {
    if (world.access.method !== 'ipmi') throw new Error('no BMC')
    const answer = await world.power.status({ ...world.access, host: '127.255.255.1' }, call(20_000))
    expect(answer).toMatchObject({ kind: 'unreachable' })
  })

  it('works over lan as well', async () => {
    if (world.access.method !== 'ipmi') throw new Error('no BMC')
    expect(await world.power.status({ ...world.access, interface: 'lan' }, call())).toEqual({ kind: 'on' })
    const wrong = { ...world.access, interface: 'lan', password: 'wrong-password' } as const
    expect((await world.power.status(wrong, call())).kind).toBe('refused')
  })

  it('sends once to a slow BMC, which then acts once', async () => {
    world.flaw('slow')
    const before = world.commands().length
    const answer = await world.power.off(world.access, call())
    expect(answer).toMatchObject({ kind: 'unreachable', reason: expect.stringContaining('it may act late') })
    await pollUntil({ what: 'the late effect', timeoutMs: 10_000, intervalMs: 50 }, async () => !world.isOn())
    world.flaw(undefined)
    // Answered after whatever the BMC still had to do.
    expect(await world.power.status(world.access, call())).toEqual({ kind: 'off' })
    expect(world.commands().length).toBe(before + 1)
  })
})

describe('commands of an operator', () => {
  it('get the node and their secrets, and never show them', async () => {
    const world = await commandWorld()
    if (world.access.method !== 'command') throw new Error('no command')
    const answer = await world.power.off({ ...world.access, environment: { TOKEN: 'stolen-token' } }, call())
    expect(answer).toEqual({ kind: 'failed', reason: 'token *** is wrong for hv1' })
    await world.close()
  })

  it('die with their children at the deadline', async () => {
    const world = await commandWorld()
    if (world.access.method !== 'command') throw new Error('no command')
    const script = ['bash', '-c', 'sleep 300 & echo $! >"$0/child"; wait', world.access.off[1] ?? '']
    expect((await world.power.off({ ...world.access, off: script }, call(500))).kind).toBe('unreachable')
    const { readFileSync, existsSync } = await import('node:fs')
    const child = readFileSync(`${script[3]}/child`, 'utf8').trim()
    await pollUntil({ what: 'the child is dead', timeoutMs: 2000, intervalMs: 20 }, async () => !isRunning(child))
    await world.close()

    function isRunning(pid: string): boolean {
      return existsSync(`/proc/${pid}`) && !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    }
  })

  it('must answer with one word', async () => {
    const world = await commandWorld()
    if (world.access.method !== 'command') throw new Error('no command')
    const answer = await world.power.status({ ...world.access, status: ['echo', 'outlet 3: off'] }, call())
    expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringContaining('outlet 3: off') })
    const missing = await world.power.status({ ...world.access, status: ['/no/such/program'] }, call())
    expect(missing).toMatchObject({ kind: 'failed', reason: expect.stringContaining('could not be started') })
    await world.close()
  })
})
