import { EventEmitter, getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { settle } from '../../src/adapters/fake/clock.ts'
import { requestLife } from '../../src/api/request-life.ts'
import { startCluster, type TestCluster } from './cluster.ts'

class Reply extends EventEmitter {
  writableFinished = false
  destroyed = false
}

describe('the life of a request', () => {
  it('leaves nothing with the signal of the server, however it ends', () => {
    const closing = new AbortController()
    for (const isFinished of [true, false, true]) {
      const reply = new Reply()
      const { signal } = requestLife(reply, closing.signal)
      expect(getEventListeners(closing.signal, 'abort')).toHaveLength(1)
      reply.writableFinished = isFinished
      reply.emit('close')
      expect(signal.aborted).toBe(!isFinished)
      expect(getEventListeners(closing.signal, 'abort')).toEqual([])
    }
    requestLife(new Reply(), closing.signal).release()
    expect(getEventListeners(closing.signal, 'abort')).toEqual([])
  })

  it('ends with the server, and at once when one of both has ended', () => {
    const closing = new AbortController()
    const { signal } = requestLife(new Reply(), closing.signal)
    const gone = Object.assign(new Reply(), { destroyed: true })
    expect(requestLife(gone, closing.signal).signal.aborted).toBe(true)
    expect(signal.aborted).toBe(false)
    closing.abort()
    expect(signal.aborted).toBe(true)
    expect(requestLife(new Reply(), closing.signal).signal.aborted).toBe(true)
  })
})

describe('a server', () => {
  let cluster: TestCluster
  beforeEach(async () => {
    cluster = await startCluster()
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await cluster.close()
  })

  it('keeps nothing of the requests it has answered', async () => {
    const any = vi.spyOn(AbortSignal, 'any')
    const listen = vi.spyOn(EventTarget.prototype, 'addEventListener')
    for (let count = 0; count < 20; count += 1) await cluster.call('GET', count % 2 === 0 ? '/vm' : '/nothing')
    const address = await cluster.app.listen({ port: 0, host: '127.0.0.1' })
    for (let count = 0; count < 20; count += 1) await (await fetch(`${address}/api/v1/vm`)).text()
    await settle()
    expect(any.mock.calls).toEqual([])
    const signals = new Set(listen.mock.contexts.filter((target) => target instanceof AbortSignal))
    const listeners = [...signals].map((signal) => getEventListeners(signal as AbortSignal, 'abort').length)
    expect(listeners.length).toBeGreaterThan(0)
    expect(Math.max(...listeners)).toBeLessThanOrEqual(1)
  })
})
