/** Length of every function of a TypeScript file, measured on its syntax tree. */
import { parseSync } from '@swc/core'

/**
 * A function and where it stands. `lines` counts from its first to its last line; for a factory (createX, startX),
 * which is to its functions what a class is to its methods, without the functions directly inside, each counted itself.
 */
export type FunctionSpan = { name: string; line: number; lines: number }

const factory = /^(create|start)[A-Z]/

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'MethodProperty',
  'Constructor',
  'GetterProperty',
  'SetterProperty',
])

/** A body passed to one of these is a list of cases, not a function with a job of its own. */
const testCalls = /^(describe|it|test|beforeAll|beforeEach|afterAll|afterEach)\b/

type Node = { type?: string; span?: { start: number; end: number }; [key: string]: unknown }

/** Functions of a source text, in order. The bodies of describe, it and their like are left out. */
export function functionsOf(source: string): FunctionSpan[] {
  // swc counts bytes from a base that grows with every parse: a first statement of our own shows where it stands.
  const marked = `0;\n${source.replace(/^#!.*/, '')}`
  const bytes = Buffer.from(marked)
  const module = parseSync(marked, { syntax: 'typescript', target: 'es2022' })
  const base = module.body[0]?.span.start ?? 0
  const lineOf = (offset: number): number => {
    let line = 0
    for (let index = 0; index < offset - base && index < bytes.length; index++) if (bytes[index] === 10) line++
    return line
  }
  const found: FunctionSpan[] = []
  const visit = (value: unknown, name: string, listed: boolean, outer?: FunctionSpan): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, name, listed, outer)
      return
    }
    if (typeof value !== 'object' || value === null) return
    const node = value as Node
    const own = nameOf(node) ?? name
    let around = outer
    // describeX is a suite that runs against several adapters.
    const suite = /^describe[A-Z]/.test(nameOf(node) ?? '')
    if (node.span !== undefined && functionTypes.has(node.type ?? '') && !listed && !suite) {
      const line = lineOf(node.span.start)
      around = { name: own, line, lines: lineOf(node.span.end) - line + 1 }
      // One line of it stays with the factory: the line that names it.
      if (outer !== undefined && factory.test(outer.name)) outer.lines -= around.lines - 1
      found.push(around)
    }
    const cases = node.type === 'CallExpression' && testCalls.test(calleeOf(node['callee'] as Node))
    for (const [key, child] of Object.entries(node)) {
      if (key === 'span') continue
      const argument = cases && key === 'arguments'
      // An argument is wrapped in { spread, expression }, which has no type of its own.
      visit(child, own, argument || (listed && node.type === undefined), around)
    }
  }
  visit(module.body, '', false)
  return found
}

function nameOf(node: Node): string | undefined {
  for (const key of ['identifier', 'key', 'id']) {
    const named = node[key] as { value?: unknown } | undefined
    if (typeof named?.value === 'string') return named.value
  }
  return undefined
}

/** `it.each(rows)('...')` is called through a call of a member. */
function calleeOf(callee: Node): string {
  if (callee.type === 'MemberExpression') return calleeOf(callee['object'] as Node)
  if (callee.type === 'CallExpression') return calleeOf(callee['callee'] as Node)
  return typeof callee['value'] === 'string' ? callee['value'] : ''
}
