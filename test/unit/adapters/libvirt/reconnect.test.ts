import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import type { LibvirtEventKind, LibvirtEvents } from '../../../../src/adapters/libvirt/event.ts'
import { LibvirtError, VIR_ERR, VIR_FROM } from '../../../../src/adapters/libvirt/libvirt-error.ts'
import type { CloseReason } from '../../../../src/adapters/libvirt/native.ts'
import { type LibvirtLink, ReconnectingLibvirt } from '../../../../src/adapters/libvirt/reconnect.ts'

const refused = () =>
  new LibvirtError('Failed to connect socket', {
    code: VIR_ERR.SYSTEM_ERROR,
    domain: VIR_FROM.RPC,
    level: 2,
    call: 'open',
  })

/** A connection a test can break. */
class FakeLink implements LibvirtLink {
  readonly number: number
  readonly subscribed: LibvirtEventKind[] = []
  readonly #listeners: ((event: never) => void)[] = []
  readonly #closeListeners: ((reason: CloseReason) => void)[] = []
  isUp = true
  isClosed = false
  keepAlive: [number, number] | undefined
  subscribeError: Error | undefined

  constructor(number: number) {
    this.number = number
  }
  async setKeepAlive(intervalS: number, count: number) {
    this.keepAlive = [intervalS, count]
  }
  async isAlive() {
    return this.isUp
  }
  async onClose(listener: (reason: CloseReason) => void) {
    this.#closeListeners.push(listener)
    return async () => undefined
  }
  async subscribe<K extends LibvirtEventKind>(kind: K, listener: (event: LibvirtEvents[K]) => void) {
    if (this.subscribeError) throw this.subscribeError
    this.subscribed.push(kind)
    this.#listeners.push(listener)
    return async () => {
      this.subscribed.splice(this.subscribed.indexOf(kind), 1)
    }
  }
  async close() {
    this.isClosed = true
  }
  break(reason: CloseReason) {
    this.isUp = false
    for (const listener of this.#closeListeners) listener(reason)
  }
  emit(event: LibvirtEvents['lifecycle']) {
    for (const listener of this.#listeners) listener(event as never)
  }
}

const event = { uuid: 'u', name: 'n', event: 'started', detail: 'booted' } as const

let clock: ManualClock
let links: FakeLink[]
let failures: number
let errors: number[]
let told: string[]
let libvirt: ReconnectingLibvirt<FakeLink>

const lastLink = () => {
  const link = links.at(-1)
  if (!link) throw new Error('nothing was opened')
  return link
}

beforeEach(() => {
  clock = new ManualClock()
  links = []
  failures = 0
  errors = []
  told = []
  libvirt = new ReconnectingLibvirt({
    clock,
    open: async () => {
      if (failures > 0) {
        failures -= 1
        throw refused()
      }
      links.push(new FakeLink(links.length + 1))
      return lastLink()
    },
    onError: (_error, attempt) => errors.push(attempt),
  })
  libvirt.on('connected', () => told.push('connected'))
  libvirt.on('disconnected', (reason) => told.push(`disconnected: ${reason}`))
})

afterEach(async () => {
  await libvirt.close()
  await clock.advance(0)
  expect(links.filter((link) => !link.isClosed)).toEqual([])
  expect(clock.pendingTimers).toBe(0)
})

describe('connecting', () => {
  it('sets keepalive and subscriptions before it tells', async () => {
    libvirt.subscribe('lifecycle', () => undefined)
    libvirt.on('connected', () => told.push(lastLink().subscribed.join()))
    libvirt.start()
    expect(libvirt.isConnected).toBe(false)
    await clock.advance(0)
    expect(told).toEqual(['connected', 'lifecycle'])
    expect(lastLink().keepAlive).toEqual([5, 3])
    expect(libvirt.isConnected).toBe(true)
  })

  it('retries with growing delays, for ever', async () => {
    failures = 8
    libvirt.start()
    await clock.advance(0)
    const delays: number[] = []
    for (const at = { ms: 0 }; !libvirt.isConnected; at.ms += 100) {
      const before = errors.length
      await clock.advance(100)
      if (errors.length > before || libvirt.isConnected) {
        delays.push(at.ms + 100)
        at.ms = -100
      }
    }
    expect(delays).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000])
    expect(errors).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('gives up an opening that hangs, and closes it when it comes late', async () => {
    const opened: ((link: FakeLink) => void)[] = []
    const hanging = new ReconnectingLibvirt<FakeLink>({
      clock,
      open: () => new Promise((resolve) => opened.push(resolve)),
      openTimeoutMs: 1000,
    })
    hanging.start()
    await clock.advance(1200)
    expect(opened).toHaveLength(2)
    const late = new FakeLink(1)
    opened[0]?.(late)
    await clock.advance(0)
    expect(late.isClosed).toBe(true)
    expect(hanging.isConnected).toBe(false)
    const inTime = new FakeLink(2)
    opened[1]?.(inTime)
    await clock.advance(0)
    expect(hanging.isConnected).toBe(true)
    await hanging.close()
    expect(inTime.isClosed).toBe(true)
  })

  it('a subscription that fails is a failed attempt', async () => {
    const error = refused()
    libvirt.subscribe('lifecycle', () => undefined)
    const original = FakeLink.prototype.subscribe
    FakeLink.prototype.subscribe = () => Promise.reject(error)
    libvirt.start()
    await clock.advance(0)
    FakeLink.prototype.subscribe = original
    expect(errors).toEqual([1])
    expect(lastLink().isClosed).toBe(true)
    await clock.advance(200)
    expect(told).toEqual(['connected'])
  })

  it('waitConnected waits, within its time', async () => {
    failures = 3
    libvirt.start()
    const short = libvirt.waitConnected(300)
    const refusal = expect(short).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_UNAVAILABLE', cause: refused() })
    await clock.advance(300)
    await refusal
    const long = libvirt.waitConnected(5000)
    await clock.advance(5000)
    await long
    await libvirt.waitConnected(0)
  })
})

describe('losing the connection', () => {
  beforeEach(async () => {
    libvirt.start()
    await clock.advance(0)
  })

  it('is told, and the next connection has the subscriptions', async () => {
    const seen: string[] = []
    libvirt.subscribe('lifecycle', (each) => seen.push(each.event))
    await clock.advance(0)
    const first = lastLink()
    first.emit(event)
    first.break('keepalive')
    await clock.advance(0)
    expect(told).toEqual(['connected', 'disconnected: keepalive'])
    expect(libvirt.isConnected).toBe(false)
    expect(first.isClosed).toBe(true)
    await clock.advance(200)
    expect(lastLink().number).toBe(2)
    lastLink().emit(event)
    expect(seen).toEqual(['started', 'started'])
    expect(told).toEqual(['connected', 'disconnected: keepalive', 'connected'])
  })

  it('calls are refused at once while it is away', async () => {
    failures = 1
    lastLink().break('eof')
    let ran = false
    const call = libvirt.run(async () => {
      ran = true
    })
    await expect(call).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_UNAVAILABLE' })
    expect(ran).toBe(false)
  })

  it('a call that was under way has an unknown outcome', async () => {
    const link = lastLink()
    const call = libvirt.run(async () => {
      link.isUp = false
      throw refused()
    })
    await expect(call).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT', cause: refused() })
    expect(libvirt.isConnected).toBe(false)
    await clock.advance(200)
    expect(lastLink().number).toBe(2)
  })

  it("a link error of the daemon's own does not count as our loss", async () => {
    await expect(libvirt.run(() => Promise.reject(refused()))).rejects.toEqual(refused())
    expect(libvirt.isConnected).toBe(true)
  })

  it('a late failure on an old connection leaves the new one alone', async () => {
    const old = lastLink()
    let fail: (error: Error) => void = () => undefined
    const call = libvirt.run(() => new Promise<void>((_resolve, reject) => (fail = reject)))
    old.break('error')
    await clock.advance(200)
    expect(lastLink().number).toBe(2)
    fail(refused())
    await expect(call).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    expect(libvirt.isConnected).toBe(true)
  })
})

describe('ending', () => {
  it('a subscription that ended delivers nothing and does not return', async () => {
    const seen: string[] = []
    libvirt.start()
    await clock.advance(0)
    const end = libvirt.subscribe('lifecycle', (each) => seen.push(each.event))
    await clock.advance(0)
    end()
    lastLink().emit(event)
    expect(seen).toEqual([])
    await clock.advance(0)
    expect(lastLink().subscribed).toEqual([])
    lastLink().break('eof')
    await clock.advance(200)
    expect(lastLink().subscribed).toEqual([])
  })

  it('close while waiting for the next attempt ends at once', async () => {
    failures = 100
    libvirt.start()
    await clock.advance(3000)
    await libvirt.close()
    expect(libvirt.isConnected).toBe(false)
  })

  it('calls after close are refused', async () => {
    libvirt.start()
    await clock.advance(0)
    await libvirt.close()
    await expect(libvirt.run(async () => undefined)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_UNAVAILABLE' })
  })
})
