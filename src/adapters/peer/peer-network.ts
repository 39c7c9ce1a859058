/** Nodes that ask each other over HTTP: the port as a whole. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import { errorChain } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { Log } from '../../ports/log.ts'
import type { PeerDirectory, PeerHandlers, PeerNetwork, PeerProbe, Peers } from '../../ports/peer.ts'
import { Challenges } from './challenge.ts'
import { createPeerClient, type PeerClient } from './client.ts'
import { createPeerServer, type PeerRoute, type PeerUpgrade } from './server.ts'
import { ANSWER_MS, type Answer, PROBE_FOR_MS, type Question, VERBS, type Verb } from './verbs.ts'

export type PeerNetworkOptions = {
  readonly self: NodeName
  /** Key of this use, derived from the cluster key. */
  readonly key: Buffer
  readonly port: number
  /** Addresses to listen on. */
  readonly addresses: readonly string[]
  readonly clock: Clock
  readonly log: Log
  /** Streams beside the verbs: path to what takes the connection over. */
  readonly upgrades?: ReadonlyMap<string, PeerUpgrade>
}

const LISTEN_RETRY_MS = 2000

/** A fresh unguessable text. */
export function newToken(): string {
  return randomBytes(16).toString('base64url')
}

/** Creates the network; nothing listens before `serve`. */
export function createPeerNetwork(options: PeerNetworkOptions): PeerNetwork {
  const client = createPeerClient({ ...options, newToken })
  return {
    peers: (directory) => createPeers(client, directory),
    serve(handlers) {
      const challenges = new Challenges({ clock: options.clock, newToken })
      const routes = routesOf(handlers)
      const upgrades = options.upgrades ?? new Map()
      const create = () => createPeerServer({ ...options, challenges, routes, upgrades })
      return listenOn(options, create)
    },
  }
}

function createPeers(client: PeerClient, directory: PeerDirectory): Peers {
  const probe = async (node: NodeName, deadlineMs: number): Promise<readonly PeerProbe[]> =>
    Promise.all(
      directory.addresses(node).map(async ({ network, address }): Promise<PeerProbe> => {
        const { kind } = await client.ask({ node, address }, 'probe', {}, deadlineMs)
        return { kind: kind === 'answer' ? 'answers' : kind === 'reached' ? 'host-only' : 'silent', network }
      }),
    )
  /** The first answer over any network. */
  const ask = async <V extends Verb>(
    node: NodeName,
    verb: V,
    question: Question<V>,
  ): Promise<Answer<V> | undefined> => {
    const asked = directory.addresses(node).map(async ({ address }) => {
      const outcome = await client.ask({ node, address }, verb, question, ANSWER_MS)
      if (outcome.kind === 'answer') return outcome.value
      throw new Error(outcome.reason)
    })
    // Rejected only when none answered, which is an answer too.
    return Promise.any(asked).catch(() => undefined)
  }
  return {
    probe: (node) => probe(node, ANSWER_MS),
    probeFor: (node) => probe(node, PROBE_FOR_MS),
    probeFrom: async (coordinator, node) => (await ask(coordinator, 'probeFor', { node }))?.probes,
    async quorum() {
      const answers = await Promise.all(
        directory.coordinators.map(async (node) => {
          const value = await ask(node, 'quorum', {})
          return value && { node, notServingForMs: value.notServingForMs }
        }),
      )
      return answers.filter((answer) => answer !== undefined)
    },
    wake: async (node, vm, arrival) => void (await ask(node, 'wake', { vm, arrival })),
  }
}

function routesOf(handlers: PeerHandlers): ReadonlyMap<string, PeerRoute> {
  const ok = (body: unknown) => ({ status: 200, body })
  return new Map<string, PeerRoute>([
    [VERBS.probe.path, async () => ok({})],
    [
      VERBS.probeFor.path,
      async (question) => {
        const { node } = VERBS.probeFor.question.parse(question)
        return ok({ probes: await handlers.probeFor(node) })
      },
    ],
    [
      VERBS.quorum.path,
      async () => {
        const notServingForMs = await handlers.notServingForMs()
        return notServingForMs === undefined ? { status: 404, body: {} } : ok({ notServingForMs })
      },
    ],
    [
      VERBS.wake.path,
      async (question) => {
        const { vm, arrival } = VERBS.wake.question.parse(question)
        handlers.wake(vm, arrival)
        return ok({})
      },
    ],
  ])
}

/** Listens on every address; one that is not there yet, as at boot, is tried again. */
function listenOn({ addresses, port, clock, log }: PeerNetworkOptions, create: () => Server) {
  const problem = new MutableSignal<string | undefined>(undefined)
  const servers = new Map<string, Server>()
  /** Connections that were taken over: no server closes them. */
  const streams = new Set<Duplex>()
  let timer: Timer | undefined
  let isClosed = false
  const listen = async (address: string): Promise<string | undefined> => {
    const server = create()
    server.on('upgrade', (_, socket) => {
      streams.add(socket)
      socket.once('close', () => streams.delete(socket))
    })
    server.listen({ host: address, port })
    try {
      await once(server, 'listening')
    } catch (error) {
      return `${address}: ${errorChain(error)}`
    }
    server.on('error', (error) => log.error({ error: errorChain(error) }, 'the peer endpoint has an error'))
    if (isClosed) server.close()
    else servers.set(address, server)
    return undefined
  }
  const attempt = async (): Promise<void> => {
    const missing = addresses.filter((address) => !servers.has(address))
    const failures = (await Promise.all(missing.map(listen))).filter((failure) => failure !== undefined)
    problem.set(failures.length === 0 ? undefined : `port ${port} cannot be opened at ${failures.join(', ')}`)
    if (failures.length > 0 && !isClosed) timer = clock.setTimer(LISTEN_RETRY_MS, () => void attempt())
  }
  const started = attempt()
  return {
    problem,
    async close() {
      isClosed = true
      timer?.cancel()
      await started
      for (const socket of streams) socket.destroy()
      await Promise.all(
        [...servers.values()].map((server) => {
          const closed = once(server, 'close')
          server.close()
          server.closeAllConnections()
          return closed
        }),
      )
    },
  }
}
