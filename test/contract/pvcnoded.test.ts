import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tree } from '../../src/schema/tree.ts'
import { pollUntil } from '../lab/poll.ts'
import { ended, NodeRig } from '../rig/node-rig.ts'

/** The daemon as a process, on a real ensemble, with libvirt's test driver: what only a process can show. */
let rig: NodeRig

beforeAll(async () => {
  rig = await NodeRig.start({ built: false, intervalMs: 1000 })
})
afterAll(() => rig.close())

const alive = async () => (await rig.session()).get(rig.keys.alive)

async function startAndRun(): Promise<void> {
  const before = (await rig.status())?.heartbeat ?? 0
  rig.startDaemon()
  await rig.until('the first heartbeat', (status) => status.heartbeat > before)
  await rig.until('the daemon runs', (status) => status.daemon === 'run' && status.certified)
}

describe('pvcnoded as a process', () => {
  it('registers, beats and runs', async () => {
    await startAndRun()
    const session = await rig.session()
    expect((await session.get(rig.keys.fence))?.value.state).toBe('closed')
    expect((await session.get(rig.keys.spec))?.value).toMatchObject({ name: 'n1', mode: 'coordinator' })
    expect((await session.get(tree.cluster))?.value.name).toBe('rig')
  })

  it('is alone on its machine', async () => {
    expect(await ended(rig.launch(), 10_000)).toBe(1)
    expect(rig.log).toContain('another pvcnoded runs on this machine')
  })

  it('goes on under the same life after kill -9, with a proof of life of its own', async () => {
    const before = await alive()
    await rig.endDaemon('SIGKILL')
    await startAndRun()
    const after = await alive()
    expect(after?.value.life).toBe(before?.value.life)
    expect(after?.ephemeralOwner).not.toBe(before?.ephemeralOwner)
    // The session of the killed daemon ends after 6 s; its end must not take the new proof of life away.
    const { heartbeat } = await rig.until('a status', () => true)
    await rig.until('eight more beats', (status) => status.heartbeat >= heartbeat + 8)
    expect((await alive())?.ephemeralOwner).toBe(after?.ephemeralOwner)
  })

  it('beats on while the ZooKeeper leader dies', async () => {
    const leader = await rig.ensemble.leader()
    const { heartbeat } = await rig.until('a status', () => true)
    await rig.ensemble.kill(leader)
    await rig.until('two more beats', (status) => status.heartbeat >= heartbeat + 2, 10_000)
    await rig.ensemble.restart(leader)
  })

  it('starts the VMs that are wanted on', async () => {
    await rig.defineVms(5)
    await rig.untilVmsRun(5)
  })

  it('stops in order: marked as stopped, no proof of life, exit code 0', async () => {
    expect(await rig.endDaemon('SIGTERM')).toBe(0)
    expect(await rig.status()).toMatchObject({ daemon: 'stop', selfFence: 'off' })
    await pollUntil(
      { what: 'alive is gone', timeoutMs: 2000, intervalMs: 20 },
      async () => (await alive()) === undefined,
    )
  })

  it('waits for ZooKeeper, says so, and can be ended meanwhile', async () => {
    for (const index of [0, 1, 2]) await rig.ensemble.kill(index)
    const offset = rig.log.length
    rig.startDaemon()
    await pollUntil({ what: 'the daemon says what it waits for', timeoutMs: 10_000 }, async () =>
      rig.log.slice(offset).includes('waiting: ZooKeeper is not connected'),
    )
    expect(await rig.endDaemon('SIGTERM')).toBe(0)
    await Promise.all([0, 1, 2].map((index) => rig.ensemble.restart(index)))
  })
})
