/** What network devices do, whoever keeps them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Network } from '../../src/model/network.ts'
import { Network as NetworkSchema } from '../../src/model/network.ts'
import { decideLinks, type NetworkGround } from '../../src/node/network/decide.ts'
import type { Links } from '../../src/ports/links.ts'
import { pollUntil } from '../lab/poll.ts'

/** Devices with one named `eth9`, up, with an MTU of 1500. */
export type LinksWorld = {
  readonly links: Links
  /** Somebody deletes a device. */
  remove(name: string): Promise<void>
  close(): Promise<void>
}

const ground: NetworkGround = {
  nodeNumber: 11,
  clusterAddress: '10.90.0.11',
  underlayDevice: 'eth9',
  underlayMtu: 1500,
  bridgeDevice: undefined,
  bridgeMtu: 1500,
}

function network(vni: number, mtu: number | null = null, gatewayMode = 'primary'): Network {
  const base = { vni, generation: 1, description: `net${vni}`, type: 'managed', domain: 'd', nameServers: [] }
  return NetworkSchema.parse({ ...base, mtu, ip4: null, ip6: null, gatewayMode })
}

/** The suite. */
export function describeLinks(name: string, open: () => Promise<LinksWorld>): void {
  describe(`network devices: ${name}`, () => {
    let world: LinksWorld
    beforeEach(async () => {
      world = await open()
    })
    afterEach(() => world.close())

    const follow = async (networks: readonly Network[]) => {
      const decision = decideLinks(networks, await world.links.list(), ground)
      expect(await world.links.apply(decision.changes)).toEqual([])
      return decision.changes.length
    }
    const named = async (name: string) => (await world.links.list()).find((link) => link.name === name)

    it('are made as decided, so that there is nothing left to do', async () => {
      expect(await follow([network(100), network(16_777_214, 1400)])).toBe(8)
      expect(await follow([network(100), network(16_777_214, 1400)])).toBe(0)
      const tunnel = { kind: 'vxlan', mtu: 1450, isUp: true, master: 'vmbr100', alias: 'pvc network 100' }
      const tag = { id: 100, device: 'eth9', local: '10.90.0.11' }
      expect(await named('vxlan100')).toMatchObject({ ...tunnel, tag })
      expect(await named('vmbr100')).toMatchObject({ kind: 'bridge', mac: '02:00:00:64:00:0b', mtu: 1450, isUp: true })
      expect(await named('vxlan16777214')).toMatchObject({ mtu: 1400 })
    })

    it('are changed in place and removed when they are no longer wanted', async () => {
      await follow([network(100)])
      const before = await named('vmbr100')
      await follow([network(100, 1300)])
      expect(await named('vmbr100')).toMatchObject({ mtu: 1300, index: before?.index })
      await follow([])
      expect((await world.links.list()).map((link) => link.name)).not.toContain('vmbr100')
      expect(await named('eth9')).toBeDefined()
    })

    it('learn from their tunnel unless every node has the gateway', async () => {
      await follow([network(100, null, 'anycast')])
      expect(await follow([network(100, null, 'anycast')])).toBe(0)
      expect(await named('vxlan100')).toMatchObject({ learning: false, master: 'vmbr100' })
      expect(await named('vmbr100')).toMatchObject({ mac: '06:00:00:64:00:00' })
      expect(await follow([network(100)])).toBe(2)
      expect(await named('vxlan100')).toMatchObject({ learning: true })
    })

    it('that somebody deleted are reported, and made again', async () => {
      await follow([network(100)])
      let notices = 0
      const unsubscribe = world.links.subscribe(() => {
        notices += 1
      })
      // The real one begins to listen some time after it was told to.
      await pollUntil({ what: 'a notice', timeoutMs: 10_000 }, async () => {
        await follow([network(100)])
        await world.remove('vxlan100')
        return notices > 0
      })
      expect(await follow([network(100)])).toBeGreaterThan(0)
      unsubscribe()
    })

    it('that cannot be had do not keep the others back', async () => {
      const failures = await world.links.apply([
        { kind: 'add-vxlan', name: 'vxlan5', id: 5, device: 'nowhere0', local: '10.90.0.11' },
        { kind: 'add-bridge', name: 'vmbr6', mac: '02:00:00:06:00:0b' },
        { kind: 'remove', name: 'vmbr7' },
        { kind: 'set', name: 'vmbr6', to: { isUp: true } },
      ])
      expect(failures.map((failure) => failure.name)).toContain('vxlan5')
      for (const { reason } of failures) expect(reason).toMatch(/^Cannot find device/)
      expect(await named('vmbr6')).toMatchObject({ isUp: true })
    })

    it('that refuse a change are named, with the reason', async () => {
      const failures = await world.links.apply([
        { kind: 'add-bridge', name: 'vmbr6', mac: '02:00:00:06:00:0b' },
        { kind: 'add-bridge', name: 'vmbr6', mac: '02:00:00:06:00:0b' },
        { kind: 'remove', name: 'vmbr7' },
        { kind: 'set', name: 'vmbr6', to: { isUp: true } },
      ])
      expect(failures.map((failure) => failure.name)).toEqual(['vmbr6', 'vmbr7'])
      expect(await named('vmbr6')).toMatchObject({ isUp: true })
    })
  })
}
