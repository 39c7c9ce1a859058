import { Reconciler } from '../base/reconciler.ts'
import { errorChain, hasCode } from '../model/errors.ts'
import { NodeName } from '../model/ids.ts'
import type { PrimaryRole, Reign } from '../ports/primary.ts'
import { tree } from '../schema/tree.ts'
import { ClusterView } from './cluster.ts'
import type { FencerDeps } from './deps.ts'
import { NodeFence } from './node-fence.ts'

/** The sweep looks at every node and every record, for ever (protocol P6, C9). */
const SWEEP_MS = 30_000
const RETRY_MS = 1000

/**
 * The fencer: finds out which nodes are dead, proves it, and has their VMs run elsewhere (protocol P1 to P9). All it knows
 * is in the journals; a new primary goes on where the last one stopped.
 */
export function createFencer(deps: FencerDeps): PrimaryRole {
  let watch: Watch | undefined
  return {
    name: 'fencer',
    async start(reign) {
      await watch?.stop()
      watch = new Watch(deps, reign)
      watch.start()
    },
    async stop() {
      await watch?.stop()
      watch = undefined
    },
  }
}

/** The fencer in one reign: one loop per node, and the sweep. */
class Watch {
  readonly #deps: FencerDeps
  readonly #reign: Reign
  readonly #cluster: ClusterView
  readonly #nodes = new Map<NodeName, NodeFence>()
  readonly #sweep: Reconciler
  readonly #unsubscribes: (() => void)[] = []

  constructor(deps: FencerDeps, reign: Reign) {
    this.#deps = deps
    this.#reign = reign
    this.#cluster = new ClusterView(reign.session, deps.clock)
    this.#sweep = new Reconciler({
      clock: deps.clock,
      pass: () => this.#pass(),
      rescanMs: SWEEP_MS,
      retryMs: RETRY_MS,
      onError: (error) => {
        const isExpected = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE')
        deps.log[isExpected ? 'info' : 'warn'](
          { error: errorChain(error) },
          'looking at all nodes failed, trying again',
        )
      },
    })
  }

  start(): void {
    const { session } = this.#reign
    this.#unsubscribes.push(
      session.onChange((path) => this.#changed(path)),
      // Watches may be gone after an interruption.
      session.state.subscribe(() => this.#sweep.trigger()),
    )
    this.#sweep.trigger()
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe()
    await this.#sweep.stop()
    await Promise.all([...this.#nodes.values()].map((node) => node.stop()))
    this.#nodes.clear()
  }

  #changed(path: string): void {
    const prefix = `${tree.nodes.path}/`
    const name = path.startsWith(prefix) ? NodeName.safeParse(path.slice(prefix.length).split('/')[0]).data : undefined
    const node = name === undefined ? undefined : this.#nodes.get(name)
    if (node === undefined) this.#sweep.trigger()
    else node.trigger()
  }

  async #pass(): Promise<object> {
    if (this.#reign.ended.aborted) return {}
    const names = (await this.#reign.session.childrenWatched(tree.nodes.path)) ?? []
    const present = new Set(names.flatMap((name) => NodeName.safeParse(name).data ?? []))
    for (const [name, node] of this.#nodes) {
      if (present.has(name)) continue
      this.#nodes.delete(name)
      await node.stop()
    }
    for (const name of [...present].sort()) {
      const node = this.#nodes.get(name) ?? new NodeFence(this.#deps, this.#reign, this.#cluster, name)
      this.#nodes.set(name, node)
      node.trigger()
    }
    return {}
  }
}
