import { z } from 'zod'
import type { Codec } from '../src/schema/codec.ts'
import { SCHEMA_VERSION, TREE_DIRS, tree } from '../src/schema/tree.ts'

type Row = { path: string; schema: z.ZodType | undefined }
type Entry = { path?: string; codec?: Codec<unknown>; child?: (name: string) => Entry }

/** Every path of the tree, with placeholders in braces. Builder functions are called with their parameters' names. */
function rowsOf(value: unknown): Row[] {
  if (typeof value === 'function') {
    const names = /^\(?([^)=]*)\)?\s*=>/.exec(String(value))?.[1]?.split(',') ?? []
    return rowsOf((value as (...args: string[]) => unknown)(...names.map((name) => `{${name.trim()}}`)))
  }
  if (typeof value !== 'object' || value === null) return []
  const { path, codec, child } = value as Entry
  if (path === undefined) return Object.values(value).flatMap(rowsOf)
  if (child === undefined) return [{ path, schema: codec?.schema }]
  return [{ path, schema: undefined }, ...rowsOf(child('{name}'))]
}

/** A path built twice (as child of a folder and by its own function) is one row; the one with the better name stays. */
function unique(rows: readonly Row[]): Row[] {
  const shape = (row: Row): string => row.path.replace(/\{\w+\}/g, '{}')
  const byShape = new Map<string, Row>()
  for (const row of rows) byShape.set(shape(row), row)
  return [...byShape.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function describeType(schema: unknown): string {
  const { type, enum: words, anyOf, const: constant, items, additionalProperties, $ref } = schema as JsonSchema
  if (constant !== undefined) return JSON.stringify(constant)
  if (words !== undefined) return words.map((word) => JSON.stringify(word)).join(' or ')
  if (anyOf !== undefined) return anyOf.map(describeType).join(' or ')
  if (type === 'array') return `list of ${describeType(items ?? {})}`
  if (type === 'object' && typeof additionalProperties === 'object')
    return `map to ${describeType(additionalProperties)}`
  return $ref ?? type ?? 'any'
}

type JsonSchema = {
  type?: string
  enum?: unknown[]
  const?: unknown
  anyOf?: unknown[]
  items?: unknown
  additionalProperties?: unknown
  properties?: Record<string, unknown>
  required?: string[]
  oneOf?: unknown[]
  $ref?: string
}

function fields(schema: z.ZodType): string[] {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', reused: 'inline', cycles: 'ref' }) as JsonSchema
  const lines = Object.entries(json.properties ?? {}).map(([name, property]) => {
    const optional = json.required?.includes(name) === true ? '' : ', may be absent'
    return `- \`${name}\`: ${describeType(property)}${optional}`
  })
  return lines.length > 0 ? lines : [`- ${describeType(json)}`]
}

/** The page on the ZooKeeper tree: paths first, then the fields of each document. */
export function renderTree(): string {
  const rows = unique([...TREE_DIRS.map((path) => ({ path, schema: undefined })), ...rowsOf(tree)])
  const documents = rows.flatMap(({ path, schema }) => (schema === undefined ? [] : [{ path, schema }]))
  return [
    '# The ZooKeeper tree',
    '',
    `Generated from \`src/schema/tree.ts\` (version ${SCHEMA_VERSION}) by \`npm run docs\`; do not edit.`,
    '',
    'Paths start below the configured root. A path without a document only has children.',
    '',
    '| path | document |',
    '| --- | --- |',
    ...rows.map(({ path, schema }) => `| \`${path}\` | ${schema === undefined ? '' : 'yes'} |`),
    ...documents.flatMap(({ path, schema }) => ['', `## ${path}`, '', ...fields(schema)]),
    '',
  ].join('\n')
}
