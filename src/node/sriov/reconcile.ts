/** Keeps the virtual functions of this node's cards as they are wanted, and tells of them. */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { NodeSriov } from '../../model/sriov.ts'
import type { Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import type { SriovCards } from '../../ports/sriov.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import type { FaultBoard } from '../faults.ts'
import { createDocumentWriter, type DocumentWriter } from '../keepalive/document-writer.ts'
import { decideSriov, type SriovCard, unseenOf } from './decide.ts'

export type SriovKeeperDeps = {
  readonly self: NodeName
  /** Cards of the configuration. */
  readonly wanted: readonly Pick<SriovCard, 'device' | 'vfs' | 'mtu'>[]
  readonly index: Pick<Index, 'isReady' | 'get' | 'onChange'>
  readonly links: Pick<Links, 'list' | 'apply' | 'subscribe'>
  readonly cards: SriovCards
  /** The session in which this node may write about itself. */
  readonly session: () => StoreSession | undefined
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}

export type SriovKeeper = { start(): void; stop(): Promise<void> }

const RESCAN_MS = 10_000
const RETRY_MS = 2000

/** The reconciler of this node's cards. */
export function createSriovKeeper(deps: SriovKeeperDeps): SriovKeeper {
  const { self, index, links, faults, clock, log } = deps
  const wish = tree.node(self).sriovWish.path
  const state: State = { told: undefined, done: new Set(), writer: createDocumentWriter(tree.node(self).sriov) }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    pass: async () => {
      if (!index.isReady.value) return {}
      return (await pass(deps, state)) ? {} : { wakeInMs: RETRY_MS }
    },
    onError(error) {
      state.told = undefined
      log.error({ error: errorChain(error) }, 'virtual functions could not be looked at')
      const message = `The virtual functions of this node cannot be kept: ${errorChain(error)}.`
      faults.replace('SRIOV_CARD', [{ id: 'SRIOV_CARD:all', severity: 'error', message }])
    },
  })
  const stops: (() => void)[] = []
  return {
    start() {
      stops.push(
        index.isReady.subscribe(() => loop.trigger()),
        index.onChange((changes) => changes.has(wish) && loop.trigger()),
        links.subscribe(() => loop.trigger()),
      )
      loop.trigger()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      await loop.stop()
    },
  }
}

type State = {
  /** What was written last, as text. */
  told: string | undefined
  /** What was set and does not show. */
  readonly done: Set<string>
  readonly writer: DocumentWriter<NodeSriov>
}

/** @returns whether all is as it is to be, and told */
async function pass(deps: SriovKeeperDeps, state: State): Promise<boolean> {
  const { self, wanted, index, links, cards, faults, log } = deps
  const wish = index.get(tree.node(self).sriovWish)?.value ?? { generation: 0, vfs: {} }
  const found = await Promise.all(wanted.map(async (card) => ({ ...card, found: await cards.slots(card.device) })))
  const present = await links.list()
  const { create, changes, told, problems } = decideSriov(found, present, wish, state.done)
  for (const { device, vfs } of create) await cards.create(device, vfs)
  const failures = await links.apply(changes)
  const failed = new Set(failures.map(({ name }) => name))
  for (const change of changes)
    if (!failed.has(change.name)) for (const key of unseenOf(change, present, wish)) state.done.add(key)
  if (create.length + changes.length > 0) log.info({ create, changes, failures }, 'virtual functions changed')
  const broken = failures.map(({ name, reason }) => ({
    device: name,
    message: `Card ${name} refuses a setting: ${reason}.`,
  }))
  faults.replace(
    'SRIOV_CARD',
    [...problems, ...broken].map(({ device, message }) => ({
      id: `SRIOV_CARD:${device.replaceAll(/[^A-Za-z0-9_.-]/g, '_')}`,
      severity: 'error' as const,
      message,
    })),
  )
  const isTold = await tell(deps, state, told)
  return isTold && create.length === 0 && changes.length === 0
}

async function tell({ session }: SriovKeeperDeps, state: State, told: NodeSriov): Promise<boolean> {
  const text = JSON.stringify(told)
  if (state.told === text) return true
  const current = session()
  if (current === undefined) return false
  await state.writer.write(current, told)
  state.told = text
  return true
}
