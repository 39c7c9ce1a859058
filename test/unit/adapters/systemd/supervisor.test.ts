import { describe, expect, it } from 'vitest'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { createSupervisor, watchdogPeriodMs } from '../../../../src/adapters/systemd/supervisor.ts'

describe('supervisor', () => {
  it('tells its state in systemd words, one line each', () => {
    const sent: string[] = []
    const supervisor = createSupervisor({ log: new FakeLog(), send: (text) => sent.push(text), environment: {} })
    supervisor.ready()
    supervisor.status('waiting:\nWATCHDOG=trigger')
    supervisor.stopping()
    supervisor.close()
    expect(sent).toEqual(['READY=1', 'STATUS=waiting: WATCHDOG=trigger', 'STOPPING=1'])
  })

  it('goes on when nobody can be told, and says so once', () => {
    const log = new FakeLog()
    const send = () => {
      throw new Error('no such socket')
    }
    const supervisor = createSupervisor({ log, send, environment: {} })
    supervisor.ready()
    supervisor.stopping()
    supervisor.close()
    expect(log.messages('warn')).toHaveLength(1)
  })

  it('feeds the watchdog three times within its limit', () => {
    expect(watchdogPeriodMs({ WATCHDOG_USEC: '5000000' })).toBe(1666)
    expect(watchdogPeriodMs({})).toBeUndefined()
    expect(watchdogPeriodMs({ WATCHDOG_USEC: '0' })).toBeUndefined()
    expect(watchdogPeriodMs({ WATCHDOG_USEC: 'x' })).toBeUndefined()
  })

  it('feeds from the event loop while it runs', async () => {
    const fed = await new Promise<string>((resolve) => {
      const limit = setTimeout(() => resolve('nothing'), 5000)
      const supervisor = createSupervisor({
        log: new FakeLog(),
        environment: { WATCHDOG_USEC: '30000' },
        send(text) {
          clearTimeout(limit)
          supervisor.close()
          resolve(text)
        },
      })
    })
    expect(fed).toBe('WATCHDOG=1')
  })
})
