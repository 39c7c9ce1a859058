/** The devices of a network are made when the network is, not at the next slow look. */
import { expect, it } from 'vitest'
import type { LinkChange } from '../../../../src/model/link.ts'
import { createNetworkLinks } from '../../../../src/node/network/reconcile.ts'
import { managedNetwork, NetworkWorld } from '../../coordinator/network/network-world.ts'

it('acts at once when a network is added or changed, and not when a lease is', async () => {
  const world = await NetworkWorld.create([])
  const changes: LinkChange[][] = []
  let looks = 0
  const underlay = {
    index: 1,
    name: 'br0',
    kind: 'bridge',
    mac: '',
    mtu: 1500,
    isUp: true,
    master: undefined,
    alias: '',
  }
  const keeper = createNetworkLinks({
    ground: {
      nodeNumber: 1,
      clusterAddress: '10.0.0.1',
      underlayDevice: 'br0',
      underlayMtu: 1500,
      bridgeDevice: undefined,
      bridgeMtu: 1500,
    },
    index: world.index,
    links: {
      list: async () => {
        looks += 1
        return [{ ...underlay, tag: undefined }]
      },
      apply: async (those) => {
        changes.push([...those])
        return []
      },
      keep: async () => [],
      subscribe: () => () => undefined,
      close: () => undefined,
    },
    faults: world.faults,
    clock: world.clock,
    log: world.log,
  })
  keeper.start()
  await world.clock.advance(10)
  await world.add(managedNetwork(100))
  expect(changes.at(-1)?.map(({ kind, name }) => `${kind} ${name}`)).toContain('add-bridge vmbr100')
  const before = looks
  await world.lease(100, '10.0.100.9')
  expect(looks).toBe(before)
  await keeper.stop()
})
