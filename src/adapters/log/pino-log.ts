import pino from 'pino'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Log } from '../../ports/log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type LogOptions = {
  /** Name of the daemon. */
  readonly name: string
  readonly level: LogLevel
  /** Where lines go; default: standard output, which systemd gives to the journal. */
  readonly destination?: pino.DestinationStream
  /** Also given each line, without its end. */
  readonly tap?: (json: string) => void
}

/** Names of fields whose value must never be written, at the top or one level down. */
const SECRET_FIELDS = ['token', 'password', 'secret', 'key', 'keyring', 'authorization', '["x-api-key"]']

/**
 * A structured log: one JSON line an entry. Errors become one field with the whole chain of messages; the stack is added
 * only for those that are bugs.
 */
export function createLog(options: LogOptions): Log {
  // Not synchronous: a journal that stands still must not stand the event loop still. Flushed at exit by pino.
  const destination = tapped(options.destination ?? pino.destination({ fd: 1, sync: false }), options.tap)
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: withErrorChains },
      redact: { paths: [...SECRET_FIELDS, ...SECRET_FIELDS.map(oneLevelDown)], censor: '[hidden]' },
    },
    destination,
  )
}

type Destination = pino.DestinationStream & { flushSync?(): void }

function tapped(destination: Destination, tap: LogOptions['tap']): Destination {
  if (tap === undefined) return destination
  return {
    write(line) {
      destination.write(line)
      tap(line.trimEnd())
    },
    // Called by pino at a fatal line, so that it is out before the process ends.
    flushSync: () => destination.flushSync?.(),
  }
}

function oneLevelDown(field: string): string {
  return field.startsWith('[') ? `*${field}` : `*.${field}`
}

/** Replaces each Error among the fields by its chain of messages, with its code or, for a bug, its stack beside it. */
function withErrorChains(fields: Record<string, unknown>): Record<string, unknown> {
  if (!Object.values(fields).some((value) => value instanceof Error)) return fields
  const plain: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    plain[name] = value instanceof Error ? errorChain(value) : value
    if (value instanceof PvcError) plain['code'] = value.code
    else if (value instanceof Error) plain['stack'] = value.stack
  }
  return plain
}
