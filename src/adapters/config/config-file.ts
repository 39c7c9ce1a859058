import { readFile } from 'node:fs/promises'
import { LineCounter, parseDocument } from 'yaml'
import { type Config, type ConfigProblem, parseConfig } from '../../model/config.ts'
import { PvcError } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import { isSchedule } from '../clock/cron.ts'

/** A problem, and the line of the file it is about (1 = first) where that is known. */
export type ConfigFileProblem = ConfigProblem & { readonly line: number | undefined }

/** The configuration as daemons use it: complete and frozen. */
export type LoadedConfig = Config & { readonly node: { readonly name: NodeName } }

/**
 * Reads the daemons' one configuration file.
 * @throws PvcError PVC_CONFIG_INVALID; `details.problems` holds every problem ({@link ConfigFileProblem}), and the
 * message names them all, one a line
 */
export async function readConfigFile(path: string, hostname: string): Promise<LoadedConfig> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new PvcError('PVC_CONFIG_INVALID', `configuration file ${path} cannot be read`, {
      cause,
      details: { problems: [] },
    })
  }
  const parsed = parseConfigText(text, hostname)
  if ('config' in parsed) return parsed.config
  const lines = parsed.problems.map((problem) => `  ${formatConfigProblem(path, problem)}`)
  throw new PvcError('PVC_CONFIG_INVALID', [`configuration file ${path} cannot be used:`, ...lines].join('\n'), {
    details: { problems: parsed.problems },
  })
}

/** `file:line: path: message`, the form editors can jump to. */
export function formatConfigProblem(file: string, problem: ConfigFileProblem): string {
  const place = problem.line === undefined ? file : `${file}:${problem.line}`
  return problem.path === '' ? `${place}: ${problem.message}` : `${place}: ${problem.path}: ${problem.message}`
}

/** Parses the text of a configuration file: all YAML errors, or else all errors of content. */
export function parseConfigText(
  text: string,
  hostname: string,
): { readonly config: LoadedConfig } | { readonly problems: readonly ConfigFileProblem[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      path: '',
      message: error.message,
      line: lines.linePos(error.pos[0]).line,
    }))
    return { problems }
  }
  const result = parseConfig(document.toJS() ?? {}, hostname)
  const problems = 'problems' in result ? result.problems : scheduleProblems(result.config)
  if ('config' in result && problems.length === 0) return { config: deepFreeze(result.config) }
  return { problems: problems.map((problem) => ({ ...problem, line: lineOf(document, lines, problem.path) })) }
}

/** What only the scheduler can say of a schedule: the model knows no more than its form. */
function scheduleProblems({ fencing }: Config): readonly ConfigProblem[] {
  if (isSchedule(fencing.testSchedule)) return []
  const message = 'never comes: a field is out of its range, or there is no such day'
  return [{ path: 'fencing.testSchedule', message }]
}

/** The line of a value, or of the nearest parent that stands in the file. */
function lineOf(document: ReturnType<typeof parseDocument>, lines: LineCounter, path: string): number | undefined {
  const steps = path === '(top)' ? [] : path.split('.')
  for (let length = steps.length; length > 0; length -= 1) {
    const node = document.getIn(steps.slice(0, length).map(stepOf), true)
    const range = hasRange(node) ? node.range : undefined
    if (range) return lines.linePos(range[0]).line
  }
  return undefined
}

function stepOf(step: string): string | number {
  return /^\d+$/.test(step) ? Number(step) : step
}

function hasRange(node: unknown): node is { readonly range?: readonly [number, number, number] | null } {
  return typeof node === 'object' && node !== null && 'range' in node
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}
