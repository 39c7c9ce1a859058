/** A small document for the tests of the store, and how they wait and look at errors. */
import { z } from 'zod'
import type { ErrorCode } from '../../src/model/errors.ts'
import { json } from '../../src/schema/codec.ts'
import type { Key } from '../../src/schema/key.ts'
import { pollUntil } from '../lab/poll.ts'

export const Note = z.object({ n: z.number(), text: z.string().optional() })
export type Note = z.infer<typeof Note>

/** A document somewhere in the tree. */
export function note(path: string): Key<Note> {
  return { path, codec: json(Note) }
}

/** Deadline of what should happen at once or within a session timeout. */
export const DEADLINE_MS = 10_000

/** Resolves when `look` is true, polled on the level. */
export function level(what: string, look: () => boolean | Promise<boolean>, timeoutMs = DEADLINE_MS): Promise<true> {
  return pollUntil({ what, timeoutMs, intervalMs: 10 }, async () => (await look()) || undefined)
}

/** The error code a promise is rejected with; undefined when it is not. */
export function codeOf(work: Promise<unknown>): Promise<ErrorCode | undefined> {
  return work.then(
    () => undefined,
    (error: { code: ErrorCode }) => error.code,
  )
}
