import type { Duplex } from 'node:stream'
import type { NodeName, VmUuid } from '../model/ids.ts'

/** What is asked of the node that has the console of a VM. */
export type ConsoleRequest = {
  readonly node: NodeName
  /** Addresses of the node, the best first. */
  readonly addresses: readonly string[]
  readonly vm: VmUuid
  /** Ends the session somebody else has. */
  readonly isForced: boolean
  /** The WebSocket headers of the client, for the node to answer. */
  readonly handshake: Readonly<Record<string, string>>
  /** Gives up opening, and ends what is open. */
  readonly signal: AbortSignal
}

/** A connection to a node that has agreed to the WebSocket. */
export type ConsoleLink = {
  readonly socket: Duplex
  /** Bytes that came behind its answer already. */
  readonly head: Buffer
  /** Its answer to the client's key. */
  readonly accept: string
}

/** Opens the console of a guest at its node. @throws PvcError with the node's reason */
export type ConsoleDoor = (request: ConsoleRequest) => Promise<ConsoleLink>
