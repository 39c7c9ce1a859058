import { MutableSignal } from '../../base/signal.ts'
import type { NodeName } from '../../model/ids.ts'
import type { PeerDirectory, PeerHandlers, PeerNetwork, PeerProbe, Peers, QuorumAnswer } from '../../ports/peer.ts'

/** How far a question gets: to pvcnoded, to a machine without it, or nowhere. */
export type Reach = PeerProbe['kind']

/** The networks between fake machines. Every node with handlers answers until something else is set. */
export class FakePeerWorld {
  readonly #handlers = new Map<string, PeerHandlers>()
  readonly #off = new Set<string>()
  readonly #cut = new Set<string>()

  /** Pulls a cable, or plugs it in. */
  cut(node: string, network: string, isCut: boolean): void {
    if (isCut) this.#cut.add(`${node} ${network}`)
    else this.#cut.delete(`${node} ${network}`)
  }

  /** A machine without power is silent on every network. */
  power(node: string, isOn: boolean): void {
    if (isOn) this.#off.delete(node)
    else this.#off.add(node)
  }

  /** pvcnoded was killed: its machine still refuses connections. */
  forget(node: string): void {
    this.#handlers.delete(node)
  }

  /** The conversation as one node takes part in it. */
  network(self: string): PeerNetwork {
    return {
      peers: (directory) => this.#peers(self, directory),
      serve: (handlers) => {
        this.#handlers.set(self, handlers)
        return {
          problem: new MutableSignal<string | undefined>(undefined),
          close: async () => void (this.#handlers.get(self) === handlers && this.forget(self)),
        }
      },
    }
  }

  #reach(from: string, to: string, network: string): Reach {
    if (this.#off.has(to) || this.#cut.has(`${to} ${network}`)) return 'silent'
    if (from !== to && this.#cut.has(`${from} ${network}`)) return 'silent'
    return this.#handlers.has(to) ? 'answers' : 'host-only'
  }

  #peers(self: string, directory: PeerDirectory): Peers {
    const probe = async (node: NodeName): Promise<readonly PeerProbe[]> =>
      directory.addresses(node).map(({ network }) => ({ kind: this.#reach(self, node, network), network }))
    const reached = (node: NodeName): PeerHandlers | undefined =>
      directory.addresses(node).some(({ network }) => this.#reach(self, node, network) === 'answers')
        ? this.#handlers.get(node)
        : undefined
    return {
      probe,
      probeFor: probe,
      probeFrom: async (coordinator, node) => reached(coordinator)?.probeFor(node),
      async quorum() {
        const answers: QuorumAnswer[] = []
        for (const node of directory.coordinators) {
          const notServingForMs = await reached(node)?.notServingForMs()
          if (notServingForMs !== undefined) answers.push({ node, notServingForMs })
        }
        return answers
      },
      wake: async (node, vm, arrival) => reached(node)?.wake(vm, arrival),
    }
  }
}

/** Peers that answer what a test set: by default every node is silent, and no coordinator answers. */
export class FakePeers implements Peers {
  /** Probes by node. */
  readonly probes = new Map<NodeName, readonly PeerProbe[]>()
  /** Probes by `coordinator node`. */
  readonly probesFrom = new Map<string, readonly PeerProbe[]>()
  quorumAnswers: readonly QuorumAnswer[] = []

  async probe(node: NodeName): Promise<readonly PeerProbe[]> {
    return this.probes.get(node) ?? [{ kind: 'silent', network: 'cluster' }]
  }
  probeFor(node: NodeName): Promise<readonly PeerProbe[]> {
    return this.probe(node)
  }
  async probeFrom(coordinator: NodeName, node: NodeName): Promise<readonly PeerProbe[] | undefined> {
    return this.probesFrom.get(`${coordinator} ${node}`)
  }
  async quorum(): Promise<readonly QuorumAnswer[]> {
    return this.quorumAnswers
  }
  async wake(): Promise<void> {
    // Nobody is reached.
  }
}
