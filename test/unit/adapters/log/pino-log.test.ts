import { expect, it } from 'vitest'
import { createLog } from '../../../../src/adapters/log/pino-log.ts'
import { PvcError } from '../../../../src/model/errors.ts'

function capture(level: 'debug' | 'info' = 'info') {
  const lines: string[] = []
  const log = createLog({ name: 'pvcnoded', level, destination: { write: (line: string) => void lines.push(line) } })
  return { log, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>), lines }
}

it('writes one JSON line an entry, with the names of daemon and part', () => {
  const { log, entries } = capture()
  log.child({ component: 'domain', node: 'hv1' }).info({ from: 'off', to: 'starting' }, 'phase changed')
  expect(entries()).toMatchObject([
    {
      level: 'info',
      name: 'pvcnoded',
      component: 'domain',
      node: 'hv1',
      from: 'off',
      to: 'starting',
      msg: 'phase changed',
    },
  ])
})

it('leaves out what is below its level', () => {
  const { log, entries } = capture()
  log.debug({}, 'detail')
  log.warn({}, 'trouble')
  expect(entries().map((entry) => entry['msg'])).toEqual(['trouble'])
})

it('puts the chain of an error into one field, with its code', () => {
  const { log, entries } = capture()
  const error = new PvcError('PVC_CEPH_FAILED', 'reading volume vms/a failed', { cause: new Error('no route') })
  log.error({ error, vm: 'a' }, 'start failed')
  expect(entries()[0]).toMatchObject({
    error: 'reading volume vms/a failed: no route',
    code: 'PVC_CEPH_FAILED',
    vm: 'a',
  })
  expect(entries()[0]).not.toHaveProperty('stack')
})

it('adds the stack of a bug only', () => {
  const { log, entries } = capture()
  log.fatal({ error: new TypeError('x is undefined') }, 'bug')
  expect(entries()[0]?.['stack']).toContain('TypeError: x is undefined')
})

it('never writes secrets, at the top or inside a field', () => {
  const { log, lines } = capture()
  log.info({ token: 'abc123', request: { password: 'abc123', 'x-api-key': 'abc123' } }, 'request')
  log.child({ component: 'api', key: 'abc123' }).info({}, 'child')
  expect(lines.join('')).not.toContain('abc123')
  expect(lines.join('')).toContain('[hidden]')
})
