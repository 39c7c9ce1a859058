import { z } from 'zod'
import { MAX_CONSOLE_LINES } from '../model/console-limits.ts'
import { flag, optionalInteger, optionalText, requiredText } from './argument.ts'
import { defineRoute } from './route.ts'

/** A piece of a line of a console or log, as the streams send it; its id is the position behind it. */
export const StreamText = z.object({
  /** Number of the line, from 1. */
  line: z.number(),
  /** How many characters of the line came before. */
  column: z.number(),
  text: z.string(),
  /** The line ends after it. */
  end: z.boolean(),
  /** When the line arrived at the node, milliseconds since 1970. */
  at: z.number(),
})
export type StreamText = z.infer<typeof StreamText>

const tail = { lines: optionalInteger(1, MAX_CONSOLE_LINES) }
const stream = {
  /** Position to go on from, `line` or `line.column`; also sent as Last-Event-ID. */
  from: optionalText,
  /** Without a position: begins so many lines before the end; 10 if not given. */
  lines: optionalInteger(0, MAX_CONSOLE_LINES),
  /** Ends when all that is there now was sent. */
  once: flag,
}
const Text = z.object({ name: z.string(), data: z.string() })
const STREAM =
  'as server-sent events: `text` pieces (the default event) in order, `dropped` when lines were removed before they could be sent.'
const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const

export const streamRoutes = {
  vmConsole: defineRoute('vmConsole', {
    summary: 'The last lines of what a guest printed on its serial console, 10 if not said otherwise.',
    input: z.object({ vm: requiredText, ...tail }),
    output: Text,
    errors: NOT_FOUND,
  }),
  vmConsoleStream: defineRoute('vmConsoleStream', {
    summary: `What a guest prints, ${STREAM}`,
    input: z.object({ vm: requiredText, ...stream }),
    output: StreamText,
    errors: NOT_FOUND,
  }),
  vmConsoleInteractive: defineRoute('vmConsoleInteractive', {
    summary:
      "A guest's serial console as a WebSocket: binary messages both ways are bytes, the close reason is for people. One session at a time; `force` ends the one there is.",
    input: z.object({ vm: requiredText, force: flag }),
    output: z.never(),
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED', 'PVC_HYPERVISOR_FAILED', 'PVC_HOST_FAILED'],
  }),
  nodeLog: defineRoute('nodeLog', {
    summary: "The last lines of a node's log, 10 if not said otherwise.",
    input: z.object({ node: requiredText, ...tail }),
    output: Text,
    errors: NOT_FOUND,
  }),
  nodeLogStream: defineRoute('nodeLogStream', {
    summary: `What a node's daemon says, ${STREAM}`,
    input: z.object({ node: requiredText, ...stream }),
    output: StreamText,
    errors: NOT_FOUND,
  }),
} as const
