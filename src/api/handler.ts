import type { RouteId } from '../contract/paths.ts'
import type { RouteInput, RouteOutput } from '../contract/routes.ts'
import type { AuditLog } from '../operations/audit.ts'
import type { OperationsDeps } from '../operations/deps.ts'
import type { PrimaryAbsence } from '../operations/primary-absence.ts'
import type { StreamFollowers } from '../operations/stream-followers.ts'
import type { ConsoleDoor } from '../ports/console-door.ts'
import type { Principal } from './auth.ts'
import type { Tunnel } from './tunnel.ts'
import type { VmJson } from './vm-json.ts'

/** What the API is built from. */
export type ApiDeps = OperationsDeps & {
  readonly audit: AuditLog
  readonly followers: StreamFollowers
  readonly primaryAbsence: PrimaryAbsence
  readonly openConsole: ConsoleDoor
  /** Version of this build. */
  readonly version: string
  readonly auth: { readonly isEnabled: boolean }
  /** Address shown as that of the cluster; empty while there is none. */
  readonly upstreamIp: string
}

/** What a handler knows of its request. */
export type RequestContext = {
  readonly deps: ApiDeps
  readonly vmJson: VmJson
  readonly principal: Principal
  /** Aborts when the client goes away, or the server ends. */
  readonly signal: AbortSignal
  /** Whether the client's token is still valid; for answers that last. */
  readonly isStillAllowed: () => boolean
  /** Headers of the WebSocket the client asks for. @throws PVC_ARGUMENT_INVALID when it asks for none */
  readonly handshake: () => Readonly<Record<string, string>>
  /** Names what the change was about when the arguments do not. */
  readonly nameTarget: (target: string) => void
}

/** An answer whose JSON is written already. */
export class RawJson {
  readonly body: Buffer
  constructor(body: Buffer) {
    this.body = body
  }
}

/** An answer that is sent piece by piece, as long as it lasts. */
export class TextStream {
  readonly contentType: string
  readonly chunks: AsyncIterable<string>
  constructor(contentType: string, chunks: AsyncIterable<string>) {
    this.contentType = contentType
    this.chunks = chunks
  }
}

type Body<T> = T | RawJson | TextStream | Tunnel
type Answer<T> = Body<T> | Promise<Body<T>>

export type Handler<Id extends RouteId> = (context: RequestContext, input: RouteInput<Id>) => Answer<RouteOutput<Id>>

/** A handler for every route of the contract: a missing or wrong one does not compile. */
export type Handlers = { readonly [Id in RouteId]: Handler<Id> }
