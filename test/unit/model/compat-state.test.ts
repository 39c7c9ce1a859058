import { describe, expect, it } from 'vitest'
import { compatState } from '../../../src/model/compat-state.ts'
import { compatMigration } from '../../../src/model/compat-vm.ts'
import { away, failed, leaving, running } from './move-world.ts'
import { vmFacts } from './placement-world.ts'

describe('what clients see', () => {
  it.each([
    ['ordered', leaving(), 'migrate', 'waiting'],
    ['live only', leaving({ isLiveOnly: true }), 'migrate-live', 'waiting'],
    ['being copied', leaving({}, { copyTo: 'b' }), 'migrate', 'copy'],
    ['being shut down for it', leaving({}, { status: { phase: 'stopping' } }), 'migrate', 'shutdown'],
    ['arrived, not yet running', away({ status: { phase: 'migrating', handedOver: 'old' } }), 'migrate', 'resume'],
    ['taken back, still copying', running({ copyTo: 'b', spec: { move: null } }), 'migrate', 'cancel'],
    ['failed', failed(true), 'start', undefined],
    ['there', away(), 'start', undefined],
    ['off', vmFacts('web', { node: 'a', power: 'off' }), 'stop', undefined],
  ])('of a VM %s', (_, { spec, status }, state, step) => {
    expect([compatState(spec, status), compatMigration(spec, status)?.step]).toEqual([state, step])
  })
})
