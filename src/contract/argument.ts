import { z } from 'zod'
import { parseDurationMs, parseSizeBytes } from '../base/units.ts'

/**
 * Kinds of arguments. All arrive as text, from the query string or a form. An empty text counts as absent where the
 * argument is optional, because the recorded clients send `name=` for values they were not given.
 */

const TRUE_WORDS: readonly string[] = ['true', 't', 'yes', 'y', 'on', '1']
const FALSE_WORDS: readonly string[] = ['false', 'f', 'no', 'n', 'off', '0']

const blankIsAbsent = (value: unknown) => (value === '' ? undefined : value)

/** Text that must be given. */
export const requiredText = z.string({ error: missing }).min(1, 'must not be empty')

function missing(issue: { readonly input?: unknown }): string {
  return issue.input === undefined ? 'is required' : 'must be given once'
}

/** Text that may be absent. */
export const optionalText = z.preprocess(blankIsAbsent, z.string({ error: missing }).optional())

const Flag = z.string({ error: missing }).transform((text, context) => {
  const word = text.toLowerCase()
  if (TRUE_WORDS.includes(word)) return true
  if (FALSE_WORDS.includes(word)) return false
  context.addIssue({ code: 'custom', message: 'must be true or false' })
  return z.NEVER
})

/** `True`, `true`, `yes`, `on`, `1` … and their opposites; absent means false. */
export const flag = z.preprocess(blankIsAbsent, Flag.optional()).transform((value) => value ?? false)

/** As {@link flag}, absent stays undefined. */
export const optionalFlag = z.preprocess(blankIsAbsent, Flag.optional())

/** As {@link flag}, must be given. */
export const requiredFlag = z.preprocess(blankIsAbsent, Flag)

function integerText(min: number, max: number) {
  return z.string({ error: missing }).transform((text, context) => {
    const value = /^\s*[+-]?\d{1,15}\s*$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    context.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}` })
    return z.NEVER
  })
}

/** A whole number from `min` to `max` that must be given. */
export function requiredInteger(min: number, max: number) {
  return z.preprocess(blankIsAbsent, integerText(min, max))
}

/** A whole number from `min` to `max` that may be absent. */
export function optionalInteger(min: number, max: number) {
  return z.preprocess(blankIsAbsent, integerText(min, max).optional())
}

/** One of `words`, must be given. */
export function requiredWord<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: (issue) => (issue.input === undefined ? 'is required' : oneOf(words)) })
}

/** One of `words`, or absent. */
export function optionalWord<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.preprocess(blankIsAbsent, z.enum(words, { error: () => oneOf(words) }).optional())
}

function oneOf(words: readonly string[]): string {
  return `must be one of ${words.join(', ')}`
}

/** A repeatable argument; absent is an empty list. */
export const textList = z.preprocess(
  (value) => {
    if (value === undefined || value === '') return []
    return typeof value === 'string' ? [value] : value
  },
  z.array(z.string().min(1, 'must not be empty')),
)

/** Comma-separated names; absent stays undefined, empty text is an empty list. */
export const optionalNames = z.preprocess(
  (value) =>
    typeof value === 'string'
      ? value
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== '')
      : value,
  z.array(z.string()).optional(),
)

/** A size such as `10G` or a number of bytes. */
export const sizeBytes = requiredText.transform((text, context) => {
  const bytes = parseSizeBytes(text)
  if (bytes !== undefined && bytes > 0) return bytes
  context.addIssue({ code: 'custom', message: 'must be a size such as 10G, 512M or a number of bytes' })
  return z.NEVER
})

/** As {@link sizeBytes}, may be absent. */
export const optionalSizeBytes = z.preprocess(blankIsAbsent, sizeBytes.optional())

/** A time such as `30m` or `2h`, in milliseconds; may be absent. */
export const optionalDurationMs = z.preprocess(
  blankIsAbsent,
  z
    .string({ error: missing })
    .transform((text, context) => {
      const ms = parseDurationMs(text)
      if (ms !== undefined && ms > 0) return ms
      context.addIssue({ code: 'custom', message: 'must be a time such as 90s, 30m, 2h or 1d' })
      return z.NEVER
    })
    .optional(),
)

/** Longest accepted filter expression: bounds the work a pattern can cause together with the check below. */
export const MAX_PATTERN_LENGTH = 256

/**
 * A list filter: a regular expression matched anywhere unless it starts with `^` or ends with `$`, as the older API did.
 * Patterns that can take exponential time (a repeated group that itself holds a repetition, back-references) are refused.
 */
export const optionalPattern = z.preprocess(
  blankIsAbsent,
  z
    .string({ error: missing })
    .transform((text, context) => {
      const refuse = (message: string) => {
        context.addIssue({ code: 'custom', message })
        return z.NEVER
      }
      if (text.length > MAX_PATTERN_LENGTH) return refuse(`must not be longer than ${MAX_PATTERN_LENGTH} characters`)
      if (isCostlyPattern(text))
        return refuse('must not repeat a group that repeats or branches, nor refer back to one')
      try {
        return new RegExp(text)
      } catch {
        return refuse('must be a regular expression')
      }
    })
    .optional(),
)

/** Most backtracking a pattern may cause on one name, by the estimate below. */
const MAX_PATTERN_COST = 2 ** 24
/** Longest name a pattern is matched against. */
const LONGEST_NAME = 128

/**
 * True for patterns that may take very long: a repeated group that itself repeats or branches (exponential), a reference
 * back, or so many repetitions, options and branches in a row that their product is too large.
 */
export function isCostlyPattern(text: string): boolean {
  const groups = [{ isBranching: false }]
  let cost = 1
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (char === '\\') {
      if (/[1-9k]/.test(text[at + 1] ?? '')) return true
      at += 1
    } else if (char === '[') {
      at = endOfClass(text, at)
    } else if (char === '(') {
      groups.push({ isBranching: false })
      if (text[at + 1] === '?') at += 1
    } else if (char === ')') {
      const isBranching = groups.length > 1 && groups.pop()?.isBranching === true
      if (isBranching && /[*+{]/.test(text[at + 1] ?? '')) return true
      if (isBranching) for (const group of groups) group.isBranching = true
    } else if (char === '|' || char === '?' || char === '*' || char === '+' || char === '{') {
      for (const group of groups) group.isBranching = true
      cost *= char === '|' || char === '?' ? 2 : LONGEST_NAME
    }
  }
  return cost > MAX_PATTERN_COST
}

/** Offset of the `]` that ends a character class. */
function endOfClass(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== ']') at += text[at] === '\\' ? 2 : 1
  return at
}
