/** What the duties of guest networks have in common: they follow the cluster's networks as long as the reign lasts. */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Log } from '../../ports/log.ts'
import type { PrimaryRole, Reign } from '../../ports/primary.ts'
import type { Index } from '../../view/index.ts'

/** What a duty reads of the cluster. */
export type NetworkIndex = Pick<Index, 'isReady' | 'get' | 'children' | 'onChange'>

export type NetworkRoleOptions = {
  readonly name: string
  readonly index: NetworkIndex
  /** Paths of the tree, changes below which are looked at. */
  readonly follows: readonly string[]
  readonly clock: Clock
  readonly log: Log
  readonly prepare?: PrimaryRole['prepare']
  readonly hush?: () => void
  readonly reclaim?: PrimaryRole['reclaim']
  /** Makes everything as it is to be; called at the start and after each change. What fails for one network must not keep the others from working. */
  readonly pass: (reign: Reign) => Promise<void>
  /** Gives everything up. */
  readonly giveUp: () => Promise<void>
  /** Wrong without a pass having failed. */
  readonly problem?: () => string | undefined
}

const RESCAN_MS = 10_000

/** A role whose `again` looks at everything once more, soon. */
export type NetworkRole = PrimaryRole & { again(): void }

export function createNetworkRole(options: NetworkRoleOptions): NetworkRole {
  const { name, index, follows, clock, log } = options
  let loop: Reconciler | undefined
  let unsubscribe: () => void = () => undefined
  let problem: string | undefined

  const pass = async (reign: Reign): Promise<void> => {
    if (reign.validForMs() <= 0) return
    if (!index.isReady.value)
      throw new PvcError('PVC_STORE_UNAVAILABLE', 'the networks have not been read from ZooKeeper yet')
    await options.pass(reign)
    problem = undefined
  }
  const end = async (): Promise<void> => {
    unsubscribe()
    await loop?.stop()
    loop = undefined
  }

  return {
    name,
    ...(options.prepare === undefined ? {} : { prepare: options.prepare }),
    ...(options.hush === undefined ? {} : { hush: options.hush }),
    ...(options.reclaim === undefined ? {} : { reclaim: options.reclaim }),
    async start(reign) {
      await end()
      await pass(reign)
      const follow = new Reconciler({
        clock,
        rescanMs: RESCAN_MS,
        retryMs: RESCAN_MS,
        pass: async () => {
          await pass(reign)
          return {}
        },
        onError(error) {
          // The runner of roles sees it and starts the role again.
          problem = errorChain(error)
          log.error({ role: name, error: problem }, 'networks could not be followed')
        },
      })
      loop = follow
      unsubscribe = index.onChange((changes) => {
        if ([...changes.keys()].some((path) => follows.some((above) => path.startsWith(above)))) follow.trigger()
      })
      follow.trigger()
    },
    async stop() {
      await end()
      problem = undefined
      await options.giveUp()
    },
    problem: () => problem ?? options.problem?.(),
    again: () => loop?.trigger(),
  }
}
