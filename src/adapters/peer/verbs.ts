/** What nodes say to each other: paths, and the shapes of questions and answers. */
import { z } from 'zod'
import { VmArrival } from '../../model/domain.ts'
import { NodeName, VmUuid } from '../../model/ids.ts'

const Probe = z.object({ kind: z.enum(['answers', 'host-only', 'silent']), network: z.string().max(40) })

/** Every verb: a POST to `path` with a JSON `question`, answered by a JSON `answer`. */
export const VERBS = {
  probe: { path: '/probe', question: z.object({}), answer: z.object({}) },
  probeFor: {
    path: '/probe-for',
    question: z.object({ node: NodeName }),
    answer: z.object({ probes: z.array(Probe) }),
  },
  quorum: {
    path: '/quorum',
    question: z.object({}),
    answer: z.object({ notServingForMs: z.number().nonnegative() }),
  },
  wake: { path: '/wake', question: z.object({ vm: VmUuid, arrival: VmArrival }), answer: z.object({}) },
} as const

export type Verb = keyof typeof VERBS
export type Question<V extends Verb> = z.input<(typeof VERBS)[V]['question']>
export type Answer<V extends Verb> = z.output<(typeof VERBS)[V]['answer']>

/** The answer that says under which challenge to ask again. */
export const Stale = z.object({ challenge: z.string().max(100) })

/** Longest body of a question or an answer. */
export const MAX_BODY_BYTES = 8192
/** A question is answered within this time, or not at all. */
export const ANSWER_MS = 1000
/** A probe on another's behalf must leave time for the way back. */
export const PROBE_FOR_MS = 700
