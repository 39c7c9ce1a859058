/** What a guest is told about itself, and that nobody is told about somebody else. */
import { describe, expect, it } from 'vitest'
import { FakeHostNetwork } from '../../../../src/adapters/fake/host-network.ts'
import { type GuestFacts, metadataAnswer } from '../../../../src/coordinator/network/metadata/plan.ts'
import { createMetadataRole } from '../../../../src/coordinator/network/metadata/role.ts'
import { isVmSpec } from '../../../../src/model/domain.ts'
import { VmUuid } from '../../../../src/model/ids.ts'
import { MacAddress, Vni } from '../../../../src/model/network.ts'
import type { MetadataAnswer, MetadataQuestion, MetadataServer } from '../../../../src/ports/metadata.ts'
import { tree } from '../../../../src/schema/tree.ts'
import { managedNetwork, NetworkWorld, vmOn } from './network-world.ts'

const guest: GuestFacts = {
  uuid: '5f2b1d56-1f5c-4f5f-9a43-000000000001',
  name: 'Web',
  profile: 'small',
  tags: ['prod', 'eu'],
  vni: 100,
  domain: 'shop.local',
  address: '10.0.100.5',
  mac: '52:54:00:00:00:01',
  userData: undefined,
}
const ask = (path: string) => metadataAnswer(path, guest)

describe('metadata of EC2', () => {
  it.each([
    ['/', '1.0\n2009-04-04\nlatest'],
    ['/latest', 'meta-data/'],
    ['/latest/meta-data/instance-id', guest.uuid],
    ['/2009-04-04/meta-data/name', 'Web'],
    ['/1.0//meta-data/local-hostname?x=1', 'web.shop.local'],
    ['/latest/meta-data/local-ipv4', '10.0.100.5'],
    ['/latest/meta-data/profile', 'small'],
    ['/latest/meta-data/tags/instance/', 'prod\neu'],
    ['/latest/meta-data/network/interfaces/macs/', '52:54:00:00:00:01/'],
    ['/latest/meta-data/network/interfaces/macs/52:54:00:00:00:01/local-ipv4s', '10.0.100.5'],
  ])('%s', (path, answer) => {
    expect(ask(path)).toBe(answer)
  })

  it('lists what there is, folders with a slash', () => {
    expect(ask('/latest/meta-data/')?.split('\n')).toEqual(expect.arrayContaining(['instance-id', 'tags/', 'network/']))
  })

  it.each([
    '/2030-01-01/meta-data',
    '/latest/meta-data/none',
    '/latest/meta-data/name/more',
    '/latest/meta-data/toString',
  ])('has no %s', (path) => expect(ask(path)).toBeUndefined())
})

describe('a seed of cloud-init', () => {
  it('names the instance and its host, and has all files', () => {
    expect(ask('/nocloud/meta-data')).toBe(`instance-id: "${guest.uuid}"\nlocal-hostname: "web.shop.local"\n`)
    expect(ask('/nocloud/user-data')).toMatch(/^#cloud-config\n/)
    expect(ask('/nocloud/network-config')).toContain('match: {macaddress: "52:54:00:00:00:01"}')
    expect(ask('/nocloud/secrets')).toBeUndefined()
  })
})

describe('user data', () => {
  const equipped = { ...guest, userData: '#!/bin/sh\necho hello\n' }

  it('is given as it is, in both ways', () => {
    expect(metadataAnswer('/latest/user-data', equipped)).toBe(equipped.userData)
    expect(metadataAnswer('/nocloud/user-data', equipped)).toBe(equipped.userData)
    expect(metadataAnswer('/latest', equipped)).toBe('meta-data/\nuser-data')
  })

  it('is not there for EC2 when there is none', () => {
    expect(ask('/latest/user-data')).toBeUndefined()
  })
})

describe('the role of metadata', () => {
  async function start() {
    const world = await NetworkWorld.create([managedNetwork(100)])
    const mac = MacAddress.parse(guest.mac)
    await vmOn(world, VmUuid.parse(guest.uuid), 'web', 100, mac)
    await world.reserve(100, { mac, address: guest.address, hostname: '' })
    const network = new FakeHostNetwork()
    let answer: (question: MetadataQuestion) => Promise<MetadataAnswer> = async () => ({ status: 0, body: '' })
    const server: MetadataServer = {
      start: async (_at, given) => {
        answer = given
      },
      stop: async () => undefined,
    }
    const role = createMetadataRole({ index: world.index, server, network, clock: world.clock, log: world.log })
    await role.start(world.reign)
    const ask = (peer: string, path = '/latest/meta-data/name') => answer({ path, peer })
    return { world, role, network, ask }
  }

  it('carries its address, and answers by address and neighbour', async () => {
    const { role, network, ask } = await start()
    expect(network.present()).toEqual([{ address: '169.254.169.254', prefix: 32, device: 'lo' }])
    network.neighbours.set(`${guest.address} vmbr100`, guest.mac)
    expect(await ask(guest.address)).toEqual({ status: 200, body: 'web' })
    await role.stop()
    expect(network.present()).toEqual([])
  })

  it('tells nothing to a guest that took the address of another, nor to a stranger', async () => {
    const { world, role, network, ask } = await start()
    network.neighbours.set(`${guest.address} vmbr100`, '52:54:00:00:00:99')
    network.neighbours.set('10.0.100.9 vmbr100', guest.mac)
    network.neighbours.set('10.9.9.9 vmbr100', guest.mac)
    for (const peer of [guest.address, '10.0.100.9', '10.9.9.9']) expect(await ask(peer)).toMatchObject({ status: 404 })
    expect(world.log.messages('warn')).toHaveLength(2)
    await role.stop()
  })

  it('knows a VM by its lease as well', async () => {
    const { world, role, network, ask } = await start()
    const mac = MacAddress.parse(guest.mac)
    const lease = { address: '10.0.100.77', mac, hostname: '', clientId: '', expiresS: 1 }
    await world.session.create(tree.network(Vni.parse(100)).leases.child(lease.address), lease)
    await world.clock.advance(100)
    network.neighbours.set('10.0.100.77 vmbr100', guest.mac)
    expect(await ask('10.0.100.77')).toEqual({ status: 200, body: 'web' })
    await role.stop()
  })

  it('gives a guest the user data of its profile, unless its VM has its own', async () => {
    const { world, role, network, ask } = await start()
    network.neighbours.set(`${guest.address} vmbr100`, guest.mac)
    const userData = () => ask(guest.address, '/latest/user-data')
    const { session } = world
    const { provisioner } = tree
    await session.create(provisioner.userData.child('ud1'), { name: 'ud1', generation: 1, id: 1, data: 'of all' })
    const profile = { name: 'small', generation: 1, id: 1, type: 'provisioner' as const, userData: 'ud1' }
    await session.create(provisioner.profiles.child('small'), profile)
    await world.clock.advance(100)
    const key = tree.vm(VmUuid.parse(guest.uuid)).spec
    const setMeta = async (over: object): Promise<void> => {
      const found = await session.get(key)
      if (found === undefined || !isVmSpec(found.value)) throw new Error('the VM is gone')
      const { meta, generation } = found.value
      await session.set(key, { ...found.value, generation: generation + 1, meta: { ...meta, ...over } }, found.version)
      await world.clock.advance(100)
    }
    expect(await userData()).toEqual({ status: 200, body: 'of all' })
    await setMeta({ profile: 'other' })
    expect(await userData()).toMatchObject({ status: 404 })
    await setMeta({ userData: 'of one' })
    expect(await userData()).toEqual({ status: 200, body: 'of one' })
    await role.stop()
  })
})
