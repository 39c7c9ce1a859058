import { expect, it } from 'vitest'
import { EVENT_KINDS, type LibvirtEventKind, translateEvent } from '../../../src/adapters/libvirt/event.ts'
import { openConnection } from '../../../src/adapters/libvirt/native.ts'
import { eventually, strangerUuid, TEST_DOMAIN, TEST_URI, testDomainXml, withConnection } from './support.ts'

it('lifecycle events match operations, in order', () =>
  withConnection(async (connection) => {
    const seen: string[] = []
    await connection.subscribe('lifecycle', ({ uuid, name, event, detail }) =>
      seen.push(`${name} ${uuid === TEST_DOMAIN} ${event} ${detail}`),
    )
    const domain = connection.domain(TEST_DOMAIN)
    await domain.suspend()
    await domain.resume()
    await domain.destroy()
    await domain.create()
    await domain.shutdown()
    await domain.undefine()
    await eventually('the last event', () => seen.length >= 6)
    expect(seen).toEqual([
      'test true suspended paused',
      'test true resumed unpaused',
      'test true stopped destroyed',
      'test true started booted',
      'test true stopped shutdown',
      'test true undefined removed',
    ])
  }))

it('600 operations on 200 domains give 600 events, each once', () =>
  withConnection(async (connection) => {
    const seen = new Map<string, string[]>()
    await connection.subscribe('lifecycle', ({ uuid, event }) => seen.set(uuid, [...(seen.get(uuid) ?? []), event]))
    const uuids = Array.from({ length: 200 }, (_, index) => strangerUuid(index + 1))
    await Promise.all(
      uuids.map(async (uuid, index) => {
        await connection.defineDomain(testDomainXml(`d${index}`, uuid))
        await connection.domain(uuid).create()
        await connection.domain(uuid).destroy()
      }),
    )
    const total = () => [...seen.values()].reduce((sum, events) => sum + events.length, 0)
    await eventually('all events', () => total() >= 600)
    expect(total()).toBe(600)
    for (const uuid of uuids) expect(seen.get(uuid)).toEqual(['defined', 'started', 'stopped'])
  }))

it('after unsubscribing nothing arrives, other subscriptions go on', () =>
  withConnection(async (connection) => {
    const first: string[] = []
    const second: string[] = []
    const unsubscribe = await connection.subscribe('lifecycle', ({ event }) => first.push(event))
    await connection.subscribe('lifecycle', ({ event }) => second.push(event))
    const domain = connection.domain(TEST_DOMAIN)
    await domain.suspend()
    await eventually('the first event', () => first.length === 1 && second.length === 1)
    const ended = unsubscribe()
    await domain.resume()
    await ended
    await unsubscribe()
    await eventually('the event of the other', () => second.length === 2)
    expect(first).toEqual(['suspended'])
  }))

it('a listener that throws does not take the event from the others', () =>
  withConnection(async (connection) => {
    const seen: string[] = []
    const uncaught: unknown[] = []
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => uncaught.push(error.message))
    try {
      await connection.subscribe('lifecycle', () => {
        throw new Error('from a listener')
      })
      await connection.subscribe('lifecycle', ({ event }) => seen.push(event))
      await connection.domain(TEST_DOMAIN).suspend()
      await eventually('both', () => seen.length > 0 && uncaught.length > 0)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of others) process.on('uncaughtException', listener)
    }
    expect(seen).toEqual(['suspended'])
    expect(uncaught).toEqual(['from a listener'])
  }))

it('a kind can be subscribed again right after its last listener left', () =>
  withConnection(async (connection) => {
    const seen: string[] = []
    const unsubscribe = await connection.subscribe('lifecycle', () => seen.push('first'))
    const ended = unsubscribe()
    await connection.subscribe('lifecycle', ({ event }) => seen.push(event))
    await ended
    await connection.domain(TEST_DOMAIN).suspend()
    await eventually('the event', () => seen.length > 0)
    expect(seen).toEqual(['suspended'])
  }))

it('an unsubscription after closing is harmless', async () => {
  const connection = await openConnection(TEST_URI)
  const unsubscribe = await connection.subscribe('reboot', () => undefined)
  await connection.close()
  await unsubscribe()
})

it('every kind can be subscribed', () =>
  withConnection(async (connection) => {
    for (const kind of Object.keys(EVENT_KINDS) as LibvirtEventKind[]) {
      const unsubscribe = await connection.subscribe(kind, () => undefined)
      await unsubscribe()
    }
  }))

it('a closed connection is not told as broken', () =>
  withConnection(async (connection) => {
    const reasons: string[] = []
    await connection.onClose((reason) => reasons.push(reason))
    await connection.close()
    expect(reasons).toEqual([])
  }))

it('numbers of events become words', () => {
  const domain = { uuid: TEST_DOMAIN, name: 'test' }
  expect(translateEvent('io-error', { ...domain, path: '/x', device: 'virtio-disk0', action: 1, reason: '' })).toEqual({
    ...domain,
    path: '/x',
    device: 'virtio-disk0',
    action: 'pause',
    reason: '',
  })
  expect(translateEvent('agent-lifecycle', { ...domain, state: 2, reason: 1 })).toEqual({
    ...domain,
    state: 'disconnected',
    reason: 'domain-started',
  })
  expect(translateEvent('lifecycle', { ...domain, event: 77, detail: 3 })).toEqual({
    ...domain,
    event: 'unknown-77',
    detail: 'unknown-3',
  })
})
