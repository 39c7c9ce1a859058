/** The streams of text there are: what guests print, and what nodes say. */
import { parsePosition, type SegmentLine, type StreamId, type StreamPosition } from '../model/console.ts'
import { NodeName, VmUuid } from '../model/ids.ts'
import { type StreamKeys, tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'
import { argumentError } from './plan.ts'
import { followStream, type StreamEvent } from './stream-follow.ts'
import { endOfStream, readLastLines } from './stream-read.ts'
import { readNode, readVm, requireNode, requireVm } from './view.ts'

/** A stream that can be read. */
export type NamedStream = {
  readonly id: StreamId
  readonly keys: StreamKeys
  /** Name of the VM or node. */
  readonly name: string
  /** Whether what it belongs to is still there. */
  readonly exists: () => boolean
}

/** The console of a VM. @throws PVC_OBJECT_NOT_FOUND */
export function vmStream({ index }: OperationsDeps, nameOrUuid: string): NamedStream {
  const { uuid, name } = requireVm(index, nameOrUuid).spec.value
  return {
    id: `vm-${uuid}`,
    keys: tree.vm(uuid).console,
    name,
    exists: () => readVm(index, VmUuid.parse(uuid)) !== undefined,
  }
}

/** The log of a node. @throws PVC_OBJECT_NOT_FOUND */
export function nodeStream({ index }: OperationsDeps, name: string): NamedStream {
  requireNode(index, name)
  const node = NodeName.parse(name)
  return {
    id: `node-${node}`,
    keys: tree.node(node).log,
    name,
    exists: () => readNode(index, node) !== undefined,
  }
}

/** The last lines as text. @throws PVC_STORE_UNAVAILABLE */
export async function readText(deps: OperationsDeps, { keys }: NamedStream, lines: number): Promise<string> {
  const found = await readLastLines(connectedSession(deps), keys, lines)
  return found.map(({ text }: SegmentLine) => text).join('\n')
}

/** Where somebody begins to follow. */
export type FollowFrom = { readonly from: string | undefined; readonly lines: number }

/**
 * Follows a stream from a position, or from some lines before its end.
 * @throws PVC_ARGUMENT_INVALID, PVC_STORE_UNAVAILABLE
 */
export async function openStream(
  deps: OperationsDeps,
  { keys }: NamedStream,
  where: FollowFrom,
  signal: AbortSignal,
): Promise<AsyncGenerator<StreamEvent>> {
  return followStream(deps, keys, await startOf(deps, keys, where), signal)
}

async function startOf(deps: OperationsDeps, keys: StreamKeys, { from, lines }: FollowFrom): Promise<StreamPosition> {
  if (from !== undefined) {
    const position = parsePosition(from)
    if (position === undefined || position.line < 1)
      throw argumentError('from', 'must be a position such as 123 or 123.4')
    return position
  }
  const session = connectedSession(deps)
  const [first] = await readLastLines(session, keys, lines)
  return first ? { line: first.line, column: first.column } : endOfStream(session, keys)
}
