import type { Migration, VmArrival, VmStatus } from '../../model/domain.ts'
import { decision, type VmDecision } from './decision.ts'
import type { VmMemory } from './memory.ts'
import type { LocalDomain, VmObservation } from './observation.ts'

const COPY_LOOK_MS = 1000

/** The migration that brings the VM here, under this node's present life. */
export function migrationHere(o: VmObservation, status: VmStatus): Migration | undefined {
  const { migration } = status
  return migration !== null && migration.to.node === o.self && migration.to.life === o.life ? migration : undefined
}

function arrivalOf(o: VmObservation, migration: Migration, state: VmArrival['state'], reason = ''): VmArrival {
  return { migrationId: migration.id, node: o.self, life: o.life, state, reason }
}

function isSaid(o: VmObservation, migration: Migration, state: VmArrival['state']): boolean {
  return o.move.arrival?.migrationId === migration.id && o.move.arrival.state === state
}

/** A copy is here (protocol L3, L5). @returns undefined when it belongs to no migration we know: then it is foreign. */
export function decideCopyHere(
  o: VmObservation,
  domain: LocalDomain,
  status: VmStatus,
  memory: VmMemory,
): VmDecision | undefined {
  const migration = migrationHere(o, status)
  if (migration === undefined || domain.migrationId !== migration.id) return undefined
  if (!domain.isArrived) return decision(memory, undefined, COPY_LOOK_MS)
  if (isSaid(o, migration, 'complete')) return decision(memory, undefined, COPY_LOOK_MS)
  const arrival = arrivalOf(o, migration, 'complete')
  return decision(memory, { kind: 'say-arrival', arrival, tell: migration.from.node })
}

/** No domain is here yet: open the door for the copy and say so (L1). */
export function decideExpect(o: VmObservation, migration: Migration, memory: VmMemory): VmDecision {
  if (isSaid(o, migration, 'refused')) return decision(memory, undefined, COPY_LOOK_MS)
  if (o.move.cpuProblem !== undefined) {
    const reason = `node ${o.self} cannot offer the processor of the guest: ${o.move.cpuProblem}`
    const arrival = arrivalOf(o, migration, 'refused', reason)
    return decision(memory, { kind: 'say-arrival', arrival, tell: migration.from.node })
  }
  if (o.move.incoming !== migration.id) return decision(memory, { kind: 'expect-copy', migrationId: migration.id })
  const said = o.move.arrival?.migrationId === migration.id ? o.move.arrival.state : 'gone'
  if (said !== 'gone') return decision(memory, undefined, COPY_LOOK_MS)
  const arrival = arrivalOf(o, migration, 'prepared')
  return decision(memory, { kind: 'say-arrival', arrival, tell: migration.from.node })
}

/**
 * The door is open for a copy of a migration that is over, and nothing of it is here: say so, because who ended it may wait
 * for that (protocol P6), then shut the door.
 */
export function decideNoCopy(o: VmObservation, incoming: string, memory: VmMemory): VmDecision {
  const { arrival } = o.move
  const isOurs = arrival?.migrationId === incoming && arrival.node === o.self && arrival.life === o.life
  if (isOurs && (arrival.state === 'prepared' || arrival.state === 'complete')) {
    return decision(memory, { kind: 'say-arrival', arrival: { ...arrival, state: 'gone', reason: '' } })
  }
  return decision(memory, { kind: 'expect-no-copy' })
}

/** The record came to us with this copy, which is complete and has not run yet. */
export function isToBeAdopted(o: VmObservation, domain: LocalDomain, status: VmStatus): boolean {
  if (status.handedOver === null || !domain.isPaused || domain.isStarting) return false
  const isOurs = domain.mark?.life === o.life && domain.mark.seq === status.seq
  return isOurs || domain.migrationId === status.handedOver
}
