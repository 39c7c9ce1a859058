import { z } from 'zod'
import { ConsoleSegment } from '../model/console.ts'
import { PvcError } from '../model/errors.ts'
import type { Codec } from './codec.ts'

const Header = z.tuple([
  z.string(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.array(z.number()),
  z.tuple([z.string(), z.number(), z.string()]).nullable(),
  z.literal([0, 1]),
])

/**
 * Codec of a segment: a line with its figures as a JSON array, then the text as it is. Names of fields and escapes would
 * cost more than many a console prints.
 */
export const consoleSegment: Codec<ConsoleSegment> = {
  schema: ConsoleSegment,
  encode({ node, seq, line, column, before, at, gapsMs, place, isLast, text }) {
    const where = place && [place.file, place.offset, place.print]
    return `${JSON.stringify([node, seq, line, column, before, at, gapsMs, where, isLast ? 1 : 0])}\n${text}`
  },
  decode(text, path) {
    const end = text.indexOf('\n')
    const result = Header.safeParse(parsed(text.slice(0, Math.max(end, 0))))
    if (!result.success) throw corrupt(path, result.error)
    const [node, seq, line, column, before, at, gapsMs, where, last] = result.data
    const place = where && { file: where[0], offset: where[1], print: where[2] }
    const segment = ConsoleSegment.safeParse({
      node,
      seq,
      line,
      column,
      before,
      at,
      gapsMs,
      place,
      isLast: last === 1,
      text: text.slice(end + 1),
    })
    if (!segment.success) throw corrupt(path, segment.error)
    return segment.data
  },
}

function parsed(header: string): unknown {
  try {
    return JSON.parse(header)
  } catch {
    // The schema refuses it with the reason.
    return undefined
  }
}

function corrupt(path: string, error: z.ZodError): PvcError {
  const message = `${path} does not begin with the header of a segment: ${z.prettifyError(error)}`
  return new PvcError('PVC_STORE_CORRUPT', message, { details: { path } })
}
