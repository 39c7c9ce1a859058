import { z } from 'zod'
import { PvcError } from '../model/errors.ts'

/** Turns a document into znode text and back; decoding checks, so callers only ever get checked values. */
export type Codec<T> = {
  readonly schema: z.ZodType<T>
  encode(value: T): string
  /** @throws PvcError PVC_STORE_CORRUPT naming `path` and the reason. */
  decode(text: string, path: string): T
}

/** Codec of a JSON document with a zod schema. */
export function json<T>(schema: z.ZodType<T>): Codec<T> {
  return {
    schema,
    encode: (value) => JSON.stringify(value),
    decode(text, path) {
      let parsed: unknown
      try {
        parsed = JSON.parse(text)
      } catch (cause) {
        throw new PvcError('PVC_STORE_CORRUPT', `${path} is not JSON`, { cause, details: { path } })
      }
      const result = schema.safeParse(parsed)
      if (result.success) return result.data
      throw new PvcError('PVC_STORE_CORRUPT', `${path} does not match its schema: ${z.prettifyError(result.error)}`, {
        details: { path },
      })
    },
  }
}
