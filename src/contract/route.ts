import { z } from 'zod'
import type { ErrorCode } from '../model/errors.ts'
import { type RouteId, routeAddress } from './paths.ts'

/** A route with everything server, client and documentation need. */
export type Route<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodType = z.ZodType> = {
  readonly id: RouteId
  /** One line for the API page. */
  readonly summary: string
  /** All arguments (path, query string and form together); every value arrives as text. */
  readonly input: Input
  readonly output: Output
  /** Errors a caller must expect beside those every route can answer (see COMMON_ERRORS). */
  readonly errors: readonly ErrorCode[]
}

/** Errors that any route may answer. */
export const COMMON_ERRORS = [
  'PVC_ARGUMENT_INVALID',
  'PVC_AUTH_REQUIRED',
  'PVC_AUTH_FORBIDDEN',
  'PVC_STORE_UNAVAILABLE',
  'PVC_INTERNAL',
] as const satisfies readonly ErrorCode[]

/** Declares a route; its method, path and access stand in ROUTES under the same id. */
export function defineRoute<Input extends z.ZodObject, Output extends z.ZodType>(
  id: RouteId,
  definition: {
    readonly summary: string
    readonly input: Input
    readonly output: Output
    readonly errors?: readonly ErrorCode[]
  },
): Route<Input, Output> {
  const { summary, input, output, errors = [] } = definition
  const names = new Set(Object.keys(input.shape))
  for (const match of routeAddress(id).path.matchAll(/\{(\w+)\}/g)) {
    if (!names.has(match[1] ?? '')) throw new Error(`route ${id} does not declare its path argument ${match[1]}`)
  }
  return { id, summary, input, output, errors }
}

/** Answer of every change: one sentence. */
export const Message = z.object({ message: z.string() })
export type Message = z.infer<typeof Message>

/** Body of an argument error: the name of each bad argument and what is wrong with it. */
export const ArgumentErrors = z.object({ message: z.record(z.string(), z.string()) })
export type ArgumentErrors = z.infer<typeof ArgumentErrors>

/** A number that may be a float; kept apart from z.number() for the sake of the API page only. */
export const Count = z.number().int()
