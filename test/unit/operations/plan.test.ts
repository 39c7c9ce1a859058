import { describe, expect, it } from 'vitest'
import { emptyVmStatus, VmSpec, type VmStatus } from '../../../src/model/domain.ts'
import { editPower } from '../../../src/operations/plan.ts'
import { powerProgress } from '../../../src/operations/vm-wait.ts'
import { spaceProblem } from '../../../src/operations/volume.ts'

const SPEC = VmSpec.parse({
  uuid: '11111111-2222-4333-8444-555555555555',
  name: 'web',
  generation: 4,
  power: 'off',
  wishes: { start: 1, restart: 0, stopNow: 0 },
  node: 'hv1',
  lastNode: null,
  hold: null,
  xml: '<domain/>',
  description: '',
  memoryMiB: 1,
  vcpus: 1,
  rbdList: [],
  meta: {
    nodeLimit: [],
    selector: 'none',
    autostart: false,
    migrationMethod: 'none',
    migrationMaxDowntimeMs: 300,
    profile: '',
    startPriority: 50,
    antiAffinityGroup: '',
  },
  tags: [],
})

const RUN = { node: SPEC.node, life: 'l', holder: null } as VmStatus['run']

function status(change: Partial<VmStatus>): VmStatus {
  return { ...emptyVmStatus(1, 0), observedGeneration: 5, done: { start: 9, restart: 9, stopNow: 9 }, ...change }
}

describe('powerProgress', () => {
  const start = editPower(SPEC, 'start', false)
  const stop = editPower(SPEC, 'stop', false)

  it.each([
    [
      'a status of an older generation',
      start,
      status({ run: RUN, phase: 'running', observedGeneration: 4 }),
      'pending',
    ],
    ['a starting VM', start, status({ run: RUN, phase: 'starting' }), 'pending'],
    ['a running VM', start, status({ run: RUN, phase: 'running' }), 'done'],
    ['a VM that failed', start, status({ phase: 'failed', failedReason: 'x' }), 'failed'],
    ['a record that is still held', stop, status({ run: RUN, phase: 'stopping' }), 'pending'],
    ['an empty record', stop, status({ phase: 'off' }), 'done'],
    ['an empty record of a VM that failed before', stop, status({ phase: 'failed' }), 'done'],
    ['an empty record of an older generation', stop, status({ phase: 'off', observedGeneration: 4 }), 'pending'],
  ])('%s', (_, wish, seen, progress) => {
    expect(powerProgress(wish, seen).is).toBe(progress)
  })

  it('a restart that is not carried out yet is not done', () => {
    const restart = editPower({ ...SPEC, power: 'on' }, 'restart', false)
    const before = status({ run: RUN, phase: 'running', done: { start: 1, restart: 0, stopNow: 0 } })
    expect(powerProgress(restart, before).is).toBe('pending')
    expect(powerProgress(restart, { ...before, done: { ...before.done, restart: 1 } }).is).toBe('done')
  })
})

describe('editPower', () => {
  it.each(['start', 'shutdown', 'stop', 'restart', 'disable'] as const)('%s raises the generation by one', (action) => {
    expect(editPower({ ...SPEC, power: 'on' }, action, false).generation).toBe(5)
  })

  it('disable asks for an orderly shutdown, and with force for an immediate stop', () => {
    expect(editPower(SPEC, 'disable', false)).toMatchObject({ power: 'disabled', wishes: { stopNow: 0 } })
    expect(editPower(SPEC, 'disable', true)).toMatchObject({ power: 'disabled', wishes: { stopNow: 1 } })
  })

  it.each(['provision', 'import', 'restore', 'mirror'] as const)('refuses to start a VM held by %s', (hold) => {
    expect(() => editPower({ ...SPEC, hold }, 'start', false)).toThrow('needs force')
    expect(editPower({ ...SPEC, hold }, 'start', true)).toMatchObject({ power: 'on', hold: null })
  })
})

describe('spaceProblem', () => {
  const stats = (storedBytes: number, freeBytes: number) => ({ storedBytes, freeBytes }) as never

  it.each([
    [700, false, undefined],
    [799, false, undefined],
    [800, false, '80 %'],
    [800, true, undefined],
    [999, true, undefined],
    [1000, true, 'has only'],
  ])('%i of 1000 free bytes (force %s)', (bytes, isForced, problem) => {
    const found = spaceProblem(stats(0, 1000), bytes, isForced)
    if (problem === undefined) expect(found).toBeUndefined()
    else expect(found).toContain(problem)
  })

  it('counts what is stored', () => {
    expect(spaceProblem(stats(800, 200), 1, false)).toContain('80 %')
    expect(spaceProblem(stats(700, 300), 99, false)).toBeUndefined()
  })
})
