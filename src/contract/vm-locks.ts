import { z } from 'zod'
import { optionalText, requiredText } from './argument.ts'
import { defineRoute, Message } from './route.ts'

export const vmLocksRoutes = {
  vmFlushLocks: defineRoute('vmFlushLocks', {
    summary:
      'Breaks what dead clients left of locks on the volumes of a VM, and shuts those clients out of Ceph. It is done when it is answered.',
    input: z.object({
      vm: requiredText,
      /** The sentence that a refusal asks for, word by word: the caller vouches that the client is dead. */
      force: optionalText,
    }),
    output: Message.extend({
      /** What was broken. Added in 2.0. */
      locks: z.array(z.object({ volume: z.string(), client: z.string(), node: z.string() })),
    }),
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED', 'PVC_CEPH_FAILED', 'PVC_CEPH_TIMEOUT'],
  }),
} as const
