/** What nodes ask each other directly: answered only by a pvcnoded that runs, over networks that are not cut. */
import { MutableSignal } from '../../../src/base/signal.ts'
import type { NodeName } from '../../../src/model/ids.ts'
import type {
  PeerDirectory,
  PeerHandlers,
  PeerNetwork,
  PeerProbe,
  Peers,
  QuorumAnswer,
} from '../../../src/ports/peer.ts'
import type { Engine } from '../engine/engine.ts'
import type { Gate } from '../engine/gate.ts'
import type { SimProcess } from '../engine/process.ts'

/** A question is given up after this time. */
const DEADLINE_MS = 1000

/** What of a machine matters to the conversation. */
type PeerHost = {
  readonly name: string
  readonly isOn: boolean
  readonly networks: { readonly cluster: boolean; readonly storage: boolean }
  readonly machine: SimProcess
}

type Listener = { readonly process: SimProcess; readonly handlers: PeerHandlers }

export class SimPeers {
  readonly #engine: Engine
  readonly #listeners = new Map<string, Listener>()
  /** Set once the machines are made. */
  hosts: readonly PeerHost[] = []

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** The conversation as one daemon takes part in it. */
  network(self: PeerHost, gate: Gate): PeerNetwork {
    return {
      peers: (directory) =>
        gate.port<Peers>('peers', this.#peers(self, directory), {
          calls: ['probe', 'probeFor', 'probeFrom', 'quorum', 'wake'],
        }),
      serve: (handlers) => {
        const listener = { process: gate.process, handlers }
        this.#listeners.set(self.name, listener)
        return {
          problem: new MutableSignal<string | undefined>(undefined),
          close: async () => {
            if (this.#listeners.get(self.name) === listener) this.#listeners.delete(self.name)
          },
        }
      },
    }
  }

  #peers(self: PeerHost, directory: PeerDirectory): Peers {
    const probe = async (node: NodeName): Promise<readonly PeerProbe[]> => {
      const probes = directory
        .addresses(node)
        .map(({ network }) => ({ kind: this.#reach(self, node, network), network }))
      if (probes.some(({ kind }) => kind !== 'answers')) await this.#wait()
      return probes
    }
    return {
      probe,
      probeFor: probe,
      probeFrom: (coordinator, node) => this.#ask(self, coordinator, directory, ({ probeFor }) => probeFor(node)),
      quorum: async () => {
        const asked = directory.coordinators.map(async (node): Promise<QuorumAnswer | undefined> => {
          const ask = ({ notServingForMs }: PeerHandlers) => notServingForMs()
          const answer = await this.#ask(self, node, directory, ask)
          return answer === undefined ? undefined : { node, notServingForMs: answer }
        })
        return (await Promise.all(asked)).filter((answer) => answer !== undefined)
      },
      wake: async (node, vm, arrival) => {
        await this.#ask(self, node, directory, async ({ wake }) => wake(vm, arrival))
      },
    }
  }

  #reach(from: PeerHost, to: string, network: string): PeerProbe['kind'] {
    const host = this.hosts.find(({ name }) => name === to)
    const name = network === 'cluster' ? 'cluster' : 'storage'
    const isCut = from.name !== to && (!from.networks[name] || !host?.networks[name])
    if (!host?.isOn || isCut || host.machine.isPaused) return 'silent'
    const process = this.#listeners.get(to)?.process
    return process !== undefined && !process.isDead && !process.isPaused ? 'answers' : 'host-only'
  }

  /** Undefined after the deadline. */
  #ask<T>(
    self: PeerHost,
    node: NodeName,
    directory: PeerDirectory,
    ask: (handlers: PeerHandlers) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const isReached = directory.addresses(node).some(({ network }) => this.#reach(self, node, network) === 'answers')
    const listener = this.#listeners.get(node)
    return new Promise((resolve) => {
      const timer = this.#engine.after(DEADLINE_MS, `${self.name}: gives ${node} up`, () => resolve(undefined))
      if (!isReached || listener === undefined) return
      const answer = (value: T | undefined) => {
        timer.cancel()
        resolve(value)
      }
      listener.process.run(() => void ask(listener.handlers).then(answer, () => answer(undefined)))
    })
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => this.#engine.after(DEADLINE_MS, 'a probe is given up', () => resolve()))
  }
}
