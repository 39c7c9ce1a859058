import { describe, expect, it } from 'vitest'
import type { Migration, VmArrival } from '../../../../src/model/domain.ts'
import type { VmAction } from '../../../../src/node/domain/action.ts'
import { decideVm } from '../../../../src/node/domain/decide.ts'
import type { VmObservation } from '../../../../src/node/domain/observation.ts'
import { LIFE, MINE, NO_MOVE, OLD_LIFE, OTHER, observation, RUNNING, SELF, status } from './fixtures.ts'

const IN: Migration = {
  id: 'm1',
  from: { node: OTHER, life: LIFE },
  to: { node: SELF, life: LIFE },
  step: 'prepare',
  startedAt: 0,
  progress: null,
}

function said(state: VmArrival['state'], migrationId = 'm1'): VmArrival {
  return { migrationId, node: OTHER, life: LIFE, state, reason: state === 'refused' ? 'no such bridge' : '' }
}

function word(action: VmAction | undefined): string {
  if (action === undefined) return 'nothing'
  return action.kind === 'write' ? `write ${action.why}` : action.kind
}

const here = { ...NO_MOVE, incoming: 'm1' }
const theirs = status({ run: { node: OTHER, life: LIFE, holder: null }, phase: 'migrating', migration: IN })
const copyHere = { ...RUNNING, mark: undefined, migrationId: 'm1', isPaused: true, reason: 'migration' }
const arrived = { ...copyHere, isArrived: true, reason: 'user' }
const ours = status({ ...MINE, phase: 'migrating', handedOver: 'm1' })

const targetRows: readonly (readonly [name: string, o: VmObservation, expected: string])[] = [
  ['a copy is announced: opens the door', observation({ status: theirs }), 'expect-copy'],
  [
    'door of an older migration: opens the right one',
    observation({ status: theirs, move: { ...NO_MOVE, incoming: 'm0' } }),
    'expect-copy',
  ],
  [
    'a guest is announced whose processor it lacks: refuses',
    observation({ status: theirs, move: { ...NO_MOVE, cpuProblem: 'no avx512f' } }),
    'say-arrival',
  ],
  [
    'refused already: waits for the source to take it back',
    observation({ status: theirs, move: { ...NO_MOVE, cpuProblem: 'no avx512f', arrival: said('refused') } }),
    'nothing',
  ],
  ['door open: says so', observation({ status: theirs, move: here }), 'say-arrival'],
  [
    'door open and said: waits',
    observation({ status: theirs, move: { ...here, arrival: said('prepared') } }),
    'nothing',
  ],
  [
    'announced for an earlier life: closes the door',
    observation({ status: { ...theirs, migration: { ...IN, to: { node: SELF, life: OLD_LIFE } } }, move: here }),
    'expect-no-copy',
  ],
  [
    'the migration is over: closes the door',
    observation({ status: { ...theirs, migration: null }, move: here }),
    'expect-no-copy',
  ],
  [
    'the migration is over and the copy was announced: says that it is gone',
    observation({
      status: { ...theirs, migration: null },
      move: { ...here, arrival: { ...said('complete'), node: SELF } },
    }),
    'say-arrival',
  ],
  [
    'that was said: closes the door',
    observation({
      status: { ...theirs, migration: null },
      move: { ...here, arrival: { ...said('gone'), node: SELF } },
    }),
    'expect-no-copy',
  ],
  [
    'the migration is over and its QEMU still ends: waits',
    observation({ status: { ...theirs, migration: null }, qemuPid: 7, move: { ...here, arrival: said('complete') } }),
    'nothing',
  ],
  [
    'the same order is tried again: what was said before is no answer',
    observation({ status: theirs, move: { ...here, arrival: said('gone') } }),
    'say-arrival',
  ],
  ['copy on its way: waits', observation({ status: theirs, domain: copyHere, move: here }), 'nothing'],
  ['copy complete: says so', observation({ status: theirs, domain: arrived, move: here }), 'say-arrival'],
  [
    'copy complete and said: waits for its record',
    observation({ status: theirs, domain: arrived, move: { ...here, arrival: said('complete') } }),
    'nothing',
  ],
  [
    'copy of a migration that is over: destroys it',
    observation({ status: { ...theirs, migration: null }, domain: arrived, move: here }),
    'destroy-foreign',
  ],
  [
    'copy for an earlier life: destroys it',
    observation({ status: { ...theirs, migration: { ...IN, to: { node: SELF, life: OLD_LIFE } } }, domain: arrived }),
    'destroy-foreign',
  ],
  ['record is ours: the copy is adopted', observation({ status: ours, domain: arrived, move: here }), 'adopt'],
  [
    'record is ours by another migration: the copy is destroyed',
    observation({ status: { ...ours, handedOver: 'm9' }, domain: arrived }),
    'destroy-foreign',
  ],
  [
    'marked but not yet resumed: adopts again',
    observation({ status: ours, domain: { ...RUNNING, isPaused: true, reason: 'user' } }),
    'adopt',
  ],
  [
    'paused by an operator, no hand-over: left alone',
    observation({
      status: status({ ...MINE, phase: 'running', startedGeneration: 3 }),
      domain: { ...RUNNING, isPaused: true, reason: 'user' },
    }),
    'nothing',
  ],
  ['adopted and running: says so', observation({ status: ours, domain: RUNNING }), 'write running'],
  ['record is ours but the copy is lost: starts cold', observation({ status: ours }), 'write starting again'],
]

describe('the target of a move', () => {
  it.each(targetRows)('%s', (_name, o, expected) => expect(word(decideVm(o).action)).toBe(expected))
})
