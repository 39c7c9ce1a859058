/** What the index knows of one document, and how a new reading of it is judged. Pure. */
import { hasCode, PvcError } from '../model/errors.ts'
import type { RawNode, Versioned } from '../ports/store.ts'
import type { WatchedDocument } from './collection.ts'

/** A document of the index. `refused`: the store holds something newer that cannot be believed; this is the last good one. */
export type Entry<T> = Versioned<T> & { readonly refused?: PvcError }

/** State of one document in the index. */
export type Known = {
  /** The last good one. */
  readonly entry: Entry<unknown> | undefined
  /** Numbers of the last reading, good or refused. */
  readonly seen: Pick<RawNode, 'czxid' | 'mzxid'> | undefined
  /** Lowest order that is still believed. */
  readonly floor: number | undefined
}

export const UNKNOWN: Known = { entry: undefined, seen: undefined, floor: undefined }

/** What a reading changed. `problem` is to be reported, once. */
export type Verdict = {
  readonly known: Known
  readonly change: 'none' | 'changed' | 'removed' | 'refused'
  readonly problem?: PvcError
}

/** Judges a new reading of a document. */
export function judgeReading(rules: WatchedDocument, before: Known, node: RawNode | undefined): Verdict {
  if (!node) return judgeAbsence(rules, before)
  const { text, ...numbers } = node
  if (before.seen?.mzxid === node.mzxid && before.seen.czxid === node.czxid) return { known: before, change: 'none' }
  let value: unknown
  try {
    value = rules.decode(text)
  } catch (error) {
    if (!(error instanceof PvcError)) throw error
    return refuse(before, numbers, error)
  }
  const order = rules.order?.(value)
  if (order !== undefined && before.floor !== undefined && order < before.floor) {
    const message = `${rules.path} went backwards from ${before.floor} to ${order}: refused`
    const details = { path: rules.path, from: before.floor, to: order, mzxid: String(node.mzxid) }
    return refuse(before, numbers, new PvcError('PVC_STORE_ROLLBACK', message, { details }))
  }
  return { known: { entry: { value, ...numbers }, seen: numbers, floor: order }, change: 'changed' }
}

function judgeAbsence(rules: WatchedDocument, before: Known): Verdict {
  const { entry, floor } = before
  const change = before.seen ? 'removed' : 'none'
  if (!entry) return { known: remembering(floor), change }
  // A document refused for going backwards leaves its floor: its disappearance proves nothing about the store.
  if (hasCode(entry.refused, 'PVC_STORE_ROLLBACK')) return { known: remembering(floor), change }
  if (rules.mayVanish(entry.value)) return { known: UNKNOWN, change }
  const problem = new PvcError('PVC_STORE_ROLLBACK', `${rules.path} vanished although it may not`, {
    details: { path: rules.path, from: floor },
  })
  return { known: remembering(floor), change, problem }
}

function remembering(floor: number | undefined): Known {
  return floor === undefined ? UNKNOWN : { ...UNKNOWN, floor }
}

function refuse(before: Known, numbers: Omit<RawNode, 'text'>, problem: PvcError): Verdict {
  const entry = before.entry && { ...before.entry, refused: problem }
  return { known: { entry, seen: numbers, floor: before.floor }, change: 'refused', problem }
}
