import type { z } from 'zod'
import { PvcError } from '../model/errors.ts'

/** Arguments as they came: text, or a list of texts when given several times. */
export type RawArguments = Readonly<Record<string, unknown>>

/** Path arguments win over the form, the form over the query string, as they always did. */
export function mergeArguments(query: unknown, form: unknown, path: unknown): RawArguments {
  const merged: Record<string, unknown> = Object.create(null)
  for (const source of [query, form, path]) {
    if (typeof source === 'object' && source !== null) Object.assign(merged, source)
  }
  return merged
}

/** An urlencoded form body; a name that comes several times is a list. */
export function parseForm(text: string): RawArguments {
  const form: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const present = form[name]
    if (present === undefined) form[name] = value
    else if (typeof present === 'string') form[name] = [present, value]
    else present.push(value)
  }
  return form
}

/** Checks and converts arguments. @throws PVC_ARGUMENT_INVALID naming each bad argument with what is wrong */
export function parseArguments<Schema extends z.ZodObject>(schema: Schema, raw: RawArguments): z.output<Schema> {
  const result = schema.safeParse({ ...raw })
  if (result.success) return result.data
  const named: Record<string, string> = {}
  for (const issue of result.error.issues) {
    const name = String(issue.path[0] ?? 'arguments')
    named[name] ??= `${name} ${issue.message}`
  }
  throw new PvcError('PVC_ARGUMENT_INVALID', Object.values(named).join('; '), { details: { arguments: named } })
}
