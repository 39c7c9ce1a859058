import { Readable } from 'node:stream'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { type Access, API_PREFIX, ROUTES, type RouteId, routeAddress } from '../contract/paths.ts'
import { CONTRACT } from '../contract/routes.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import { readTokens, requireUsable } from '../operations/view.ts'
import { mergeArguments, parseArguments, parseForm, type RawArguments } from './arguments.ts'
import { authenticate, authorise, type Principal, UNCHECKED } from './auth.ts'
import { type ErrorReply, errorReply } from './errors.ts'
import { type ApiDeps, type Handlers, RawJson, type RequestContext, TextStream } from './handler.ts'
import { clusterHandlers } from './handlers/cluster.ts'
import { networkHandlers } from './handlers/network.ts'
import { nodeHandlers } from './handlers/node.ts'
import { nodeFenceHandlers } from './handlers/node-fence.ts'
import { nodeFenceTestHandlers } from './handlers/node-fence-test.ts'
import { nodeFlushHandlers } from './handlers/node-flush.ts'
import { provisionerHandlers } from './handlers/provisioner.ts'
import { sriovHandlers } from './handlers/sriov.ts'
import { storageHandlers } from './handlers/storage.ts'
import { streamHandlers } from './handlers/stream.ts'
import { vmHandlers } from './handlers/vm.ts'
import { vmLocksHandlers } from './handlers/vm-locks.ts'
import { vmMoveHandlers } from './handlers/vm-move.ts'
import { Journal } from './journal.ts'
import { requestLife } from './request-life.ts'
import { Tunnel, Upgrades } from './tunnel.ts'
import { VmJson } from './vm-json.ts'

const HANDLERS = {
  ...clusterHandlers,
  ...networkHandlers,
  ...provisionerHandlers,
  ...sriovHandlers,
  ...nodeHandlers,
  ...nodeFenceHandlers,
  ...nodeFlushHandlers,
  ...nodeFenceTestHandlers,
  ...storageHandlers,
  ...streamHandlers,
  ...vmHandlers,
  ...vmMoveHandlers,
  ...vmLocksHandlers,
} satisfies Handlers

/** Largest request: a definition and its arguments. Uploads will have a route of their own. */
const BODY_LIMIT_BYTES = 1024 * 1024
/** A client must have sent its request within this time. */
const RECEIVE_DEADLINE_MS = 30_000
/** Longer than most clients keep an idle connection, so that the client closes first. */
const KEEP_ALIVE_MS = 72_000
/** VM names may have 128 characters, and three bytes each when encoded. */
const MAX_PATH_ARGUMENT = 512

export type AppOptions = {
  /** PEM texts. Without: plain HTTP. */
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined
  /** Shared by the servers of several addresses. */
  readonly vmJson?: VmJson
}

/** Builds the HTTP server of the API. It does not listen: tests inject requests, the daemon calls `listen`. */
export function buildApp(deps: ApiDeps, options: AppOptions = {}): FastifyInstance {
  const app = createServer(options)
  const vmJson = options.vmJson ?? new VmJson(deps.index)
  const journal = new Journal(deps)
  const upgrades = new Upgrades()
  upgrades.attach(app)
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, parseForm(String(body))),
  )
  app.setErrorHandler((error, request, reply) =>
    sendError(deps, request, reply, errorReply(httpError(error), request.id)),
  )
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]
    const error = new PvcError('PVC_OBJECT_NOT_FOUND', `There is no ${request.method} ${path} in this API`)
    return sendError(deps, request, reply, errorReply(error, request.id))
  })
  for (const id of Object.keys(ROUTES) as RouteId[]) {
    const { method, path } = routeAddress(id)
    app.route({
      method,
      url: API_PREFIX + path.replace(/\{(\w+)\}/g, ':$1'),
      handler: (request, reply) =>
        serve({ deps, vmJson, journal, id, request, reply, upgrades, closing: closing.signal }),
    })
  }
  return app
}

function createServer({ tls }: AppOptions): FastifyInstance {
  const common = {
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: RECEIVE_DEADLINE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    genReqId: () => crypto.randomUUID().slice(0, 8),
    routerOptions: { maxParamLength: MAX_PATH_ARGUMENT, ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
  } as const satisfies FastifyServerOptions
  if (tls === undefined) return fastify(common)
  const https = { cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' as const }
  // The type of an HTTPS server differs only in its socket, which nobody here touches.
  return fastify({ ...common, https }) as unknown as FastifyInstance
}

type Call = {
  readonly deps: ApiDeps
  readonly vmJson: VmJson
  readonly journal: Journal
  readonly id: RouteId
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly upgrades: Upgrades
  /** Aborts when the server ends. */
  readonly closing: AbortSignal
}

async function serve(call: Call): Promise<FastifyReply> {
  const { deps, journal, id, request, reply } = call
  const startedMs = deps.clock.nowMs()
  const { method, isSocket } = routeAddress(id)
  const trace: Trace = { principal: undefined, target: '' }
  const life = requestLife(reply.raw, call.closing)
  let answer: { readonly body: unknown } | { readonly error: unknown }
  try {
    answer = { body: await run(call, trace, life.signal) }
  } catch (error) {
    answer = { error }
  }
  const failed = 'error' in answer ? errorReply(answer.error, request.id) : undefined
  if (method !== 'GET' || isSocket) {
    const { principal, target } = trace
    const message = failed === undefined ? messageOf(answer) : textOf(failed)
    const ms = Math.round(deps.clock.nowMs() - startedMs)
    await journal.record({ id, principal, target, address: request.ip, requestId: request.id, ms, message, failed })
  }
  reply.header('x-request-id', request.id)
  if ('error' in answer && failed !== undefined) {
    if (failed.status === 500) deps.log.error({ err: answer.error, requestId: request.id, route: id }, 'request failed')
    return sendError(deps, request, reply, failed)
  }
  const body = 'body' in answer ? answer.body : undefined
  if (body instanceof Tunnel) {
    life.release()
    const isStillAllowed = () => isAllowed(deps, request, routeAddress(id).access)
    call.upgrades.join(body, reply, { clock: deps.clock, signal: call.closing, isStillAllowed })
    return reply
  }
  if (body instanceof TextStream) {
    reply.header('cache-control', 'no-store').type(body.contentType)
    return reply.send(Readable.from(body.chunks))
  }
  reply.type('application/json; charset=utf-8')
  return reply.send(body instanceof RawJson ? body.body : body)
}

/** What is known of a request when it ends, however it ends. */
type Trace = { principal: Principal | undefined; target: string }

async function run(call: Call, trace: Trace, signal: AbortSignal): Promise<unknown> {
  const { deps, vmJson, id, request, upgrades } = call
  const { access } = routeAddress(id)
  const raw = rawArguments(request)
  trace.target = targetOf(raw)
  if (access !== 'anyone') {
    requireUsable(deps.index)
    trace.principal = deps.auth.isEnabled ? authenticate(request.headers, readTokens(deps.index)) : UNCHECKED
    authorise(trace.principal, access)
  } else if (id !== 'root') requireUsable(deps.index)
  const context: RequestContext = {
    deps,
    vmJson,
    principal: trace.principal ?? UNCHECKED,
    signal,
    isStillAllowed: () => isAllowed(deps, request, access),
    handshake: () => upgrades.handshakeOf(request),
    nameTarget: (target) => {
      trace.target = target
    },
  }
  return invoke(id, context, raw)
}

/** The contract ties input and handler of one id together; over all ids the compiler cannot follow. */
function invoke(id: RouteId, context: RequestContext, raw: RawArguments): unknown {
  const input = parseArguments(CONTRACT[id].input, raw)
  const handler = HANDLERS[id] as (context: RequestContext, input: unknown) => unknown
  return handler(context, input)
}

/** Whether the request would be let in now. While the index is not usable, whoever is in stays. */
function isAllowed(deps: ApiDeps, request: FastifyRequest, access: Access): boolean {
  if (!deps.auth.isEnabled || !deps.index.isUsable) return true
  try {
    authorise(authenticate(request.headers, readTokens(deps.index)), access)
    return true
  } catch (error) {
    if (hasCode(error, 'PVC_AUTH_REQUIRED', 'PVC_AUTH_FORBIDDEN')) return false
    throw error
  }
}

/** Arguments of a request; If-Match is another way to say which version a change was decided on. */
function rawArguments(request: FastifyRequest): RawArguments {
  const merged = { ...mergeArguments(request.query, request.body, request.params), ...resumed(request) }
  const match = request.headers['if-match']
  if (match === undefined || match === '*' || merged['version'] !== undefined) return merged
  return { ...merged, version: match.replace(/^(W\/)?"(.*)"$/, '$2') }
}

/** A client that lost a stream says behind which event it goes on. */
function resumed({ headers }: FastifyRequest): RawArguments {
  const id = headers['last-event-id']
  return typeof id === 'string' && id !== '' ? { from: id } : {}
}

/** What a change is about, for the audit log. */
function targetOf(raw: RawArguments): string {
  const text = (name: string) => (typeof raw[name] === 'string' ? raw[name] : undefined)
  const pool = text('pool')
  const volume = text('volume')
  return (text('vm') ?? text('node') ?? (pool && volume ? `${pool}/${volume}` : pool) ?? '').slice(0, 200)
}

function messageOf(answer: object): string {
  const body = 'body' in answer ? answer.body : undefined
  return typeof body === 'object' && body !== null && 'message' in body ? String(body.message) : ''
}

function textOf({ body }: ErrorReply): string {
  return typeof body.message === 'string' ? body.message : Object.values(body.message).join('; ')
}

/** Errors of the HTTP layer itself, in our words. */
function httpError(error: unknown): unknown {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined
  if (typeof status !== 'number' || status >= 500) return error
  if (status === 413) return new PvcError('PVC_STORE_TOO_LARGE', 'The request is larger than 1 MiB')
  if (status === 415)
    return new PvcError('PVC_ARGUMENT_INVALID', 'Arguments come in the query string or as an urlencoded form')
  return new PvcError('PVC_ARGUMENT_INVALID', error instanceof Error ? error.message : 'The request cannot be read')
}

function sendError(deps: ApiDeps, request: FastifyRequest, reply: FastifyReply, error: ErrorReply): FastifyReply {
  const { status, code, body } = error
  reply.status(status).header('x-request-id', request.id).header('x-pvc-error', code)
  if (status === 503) reply.header('retry-after', '1')
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  if (status >= 500)
    deps.log.warn({ requestId: request.id, code, url: request.url.split('?')[0] }, 'request not served')
  return reply.type('application/json; charset=utf-8').send(body)
}
