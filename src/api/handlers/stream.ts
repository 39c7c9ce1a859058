import type { StreamText, streamRoutes } from '../../contract/stream.ts'
import { formatPosition } from '../../model/console.ts'
import type { StreamEvent } from '../../operations/stream-follow.ts'
import { type NamedStream, nodeStream, openStream, readText, vmStream } from '../../operations/streams.ts'
import { findConsole } from '../../operations/vm-console.ts'
import { type Handlers, type RequestContext, TextStream } from '../handler.ts'
import { Tunnel } from '../tunnel.ts'

const DEFAULT_LINES = 10
/** Tells browsers how long to wait before they connect again. */
const HELLO = 'retry: 1000\n\n'
/** A comment, which keeps the connection alive and shows that it is. */
const IDLE = ':\n\n'

type Follow = { readonly from?: string | undefined; readonly lines?: number | undefined; readonly once: boolean }

async function follow(
  context: RequestContext,
  stream: NamedStream,
  { from, lines, once }: Follow,
): Promise<TextStream> {
  const { deps, signal } = context
  const where = { from, lines: lines ?? DEFAULT_LINES }
  const events = await openStream(deps, stream, where, signal)
  return new TextStream('text/event-stream', eventText(context, stream, events, once))
}

/** Server-sent events, until the listener goes, his token ends, or what he listens to is removed. */
async function* eventText(
  { deps, isStillAllowed }: RequestContext,
  stream: NamedStream,
  events: AsyncGenerator<StreamEvent>,
  isOnce: boolean,
): AsyncGenerator<string> {
  const end = isOnce ? undefined : deps.followers.add(stream.id)
  try {
    yield HELLO
    for await (const event of events) {
      if (event.kind === 'caught-up' && isOnce) return
      if (event.kind === 'idle' && !(isStillAllowed() && stream.exists())) return
      const text = textOf(event)
      if (text !== undefined) yield text
    }
  } finally {
    end?.()
  }
}

function textOf(event: StreamEvent): string | undefined {
  switch (event.kind) {
    case 'text': {
      const { line, column, text, isEnd, at, next } = event
      const data: StreamText = { line, column, text, end: isEnd, at }
      return `id: ${formatPosition(next)}\ndata: ${JSON.stringify(data)}\n\n`
    }
    case 'dropped':
      return `id: ${formatPosition(event.next)}\nevent: dropped\ndata: ${JSON.stringify({ lines: event.lines })}\n\n`
    case 'idle':
      return IDLE
    case 'caught-up':
      return undefined
  }
}

async function text(context: RequestContext, stream: NamedStream, lines: number | undefined) {
  return { name: stream.name, data: await readText(context.deps, stream, lines ?? DEFAULT_LINES) }
}

async function openConsole({ deps, signal, handshake }: RequestContext, vm: string, isForced: boolean) {
  const headers = handshake()
  const { uuid, name, node, addresses } = findConsole(deps.index, vm)
  const link = await deps.openConsole({ node, addresses, vm: uuid, isForced, handshake: headers, signal })
  return new Tunnel(link, `Opened the console of VM '${name}' on node ${node}${isForced ? ', by force' : ''}.`)
}

export const streamHandlers = {
  vmConsole: (context, { vm, lines }) => text(context, vmStream(context.deps, vm), lines),
  vmConsoleStream: (context, { vm, ...where }) => follow(context, vmStream(context.deps, vm), where),
  vmConsoleInteractive: (context, { vm, force }) => openConsole(context, vm, force),
  nodeLog: (context, { node, lines }) => text(context, nodeStream(context.deps, node), lines),
  nodeLogStream: (context, { node, ...where }) => follow(context, nodeStream(context.deps, node), where),
} satisfies Pick<Handlers, keyof typeof streamRoutes>
