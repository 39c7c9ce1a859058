import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { API_PREFIX, ROUTES, type RouteId, routeAddress, TOKEN_HEADER } from '../src/contract/paths.ts'
import { COMMON_ERRORS, type Route } from '../src/contract/route.ts'
import { CONTRACT } from '../src/contract/routes.ts'

type Schema = Record<string, unknown>

/** JSON schema of what a client sends or gets. Conversions show as what comes in. */
function schemaOf(type: z.ZodType, io: 'input' | 'output'): Schema {
  const { $schema: _, ...schema } = z.toJSONSchema(type, {
    io,
    unrepresentable: 'any',
    reused: 'inline',
    // Clients must not refuse fields they do not know: answers may grow.
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
    },
  }) as Schema
  return schema
}

function operationOf(id: RouteId): Schema {
  const route: Route = CONTRACT[id]
  const { path, form = [], access, isStream, isSocket } = routeAddress(id)
  const input = schemaOf(route.input, 'input') as { properties?: Record<string, Schema>; required?: string[] }
  const isRequired = (name: string): boolean => input.required?.includes(name) ?? false
  const entries = Object.entries(input.properties ?? {})
  const inForm = entries.filter(([name]) => form.includes(name))
  const parameters = entries
    .filter(([name]) => !form.includes(name))
    .map(([name, schema]) => {
      const inPath = path.includes(`{${name}}`)
      return { name, in: inPath ? 'path' : 'query', required: inPath || isRequired(name), schema }
    })
  const body = {
    type: 'object',
    properties: Object.fromEntries(inForm),
    required: inForm.map(([name]) => name).filter(isRequired),
  }
  return {
    operationId: id,
    summary: route.summary,
    tags: [path.split('/')[1] || 'api'],
    ...(access === 'anyone' ? { security: [] } : { description: `Needs the role ${access}.` }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(inForm.length > 0
      ? { requestBody: { content: { 'application/x-www-form-urlencoded': { schema: body } } } }
      : {}),
    responses: {
      ...(isSocket
        ? { 101: { description: 'The connection is a WebSocket from now on.' } }
        : {
            200: {
              description: 'Done.',
              content: {
                [isStream ? 'text/event-stream' : 'application/json']: { schema: schemaOf(route.output, 'output') },
              },
            },
          }),
      default: {
        description: `Refused or failed: ${[...route.errors, ...COMMON_ERRORS].join(', ')}.`,
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
      },
    },
  }
}

/** The API as an OpenAPI 3.1 document, from the contract that server and client share. */
export function renderOpenApi(): string {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
    version: string
  }
  const paths: Record<string, Record<string, Schema>> = {}
  for (const id of Object.keys(ROUTES) as RouteId[]) {
    const { method, path } = routeAddress(id)
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(id) }
  }
  const failure = {
    type: 'object',
    description: 'One sentence, or for argument errors the bad arguments by name.',
    properties: {
      message: { anyOf: [{ type: 'string' }, { type: 'object', additionalProperties: { type: 'string' } }] },
    },
    required: ['message'],
  }
  const document = {
    openapi: '3.1.0',
    info: { title: 'PVC API', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: API_PREFIX }],
    security: [{ token: [] }, { bearer: [] }],
    components: {
      securitySchemes: {
        token: { type: 'apiKey', in: 'header', name: TOKEN_HEADER },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: { Failure: failure },
    },
    paths,
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
