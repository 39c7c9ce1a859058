import { unreachable } from '../base/assert.ts'
import { errorChain } from '../model/errors.ts'
import type { Evidence, FenceJournal } from '../model/fence.ts'
import type { Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import type { ApplyContext } from './apply-context.ts'
import { applyRecover } from './apply-recover.ts'
import { selfFenceDue } from './evidence.ts'
import { closed, opened, proven, seconds, takenBack } from './journal.ts'
import type { Told } from './journal-writer.ts'
import type { Observed } from './observe.ts'
import type { Opening } from './opening.ts'
import type { FenceAction, FenceView, NewEvidence } from './view.ts'

type Act<K extends FenceAction['kind']> = Extract<FenceAction, { kind: K }>

/** Does one thing about a node, idempotently. @returns whether the journal is further than it was */
export async function applyFenceAction(
  context: ApplyContext,
  action: FenceAction,
  observed: Observed,
): Promise<boolean> {
  const { journal, view } = observed
  const { writer, opening } = context
  switch (action.kind) {
    case 'open':
      return open(context, journal, action)
    case 'take-back':
      return writer.write(
        journal,
        takenBack(journal.value),
        opening,
        told(context, 'close', `taken back: ${action.why}`),
      )
    case 'commit': {
      const next = { ...journal.value, addresses: [...action.addresses] }
      return writer.write(journal, next, opening, told(context, 'evidence', plans(view, action)))
    }
    case 'note': {
      const evidence: Evidence = { ...action.evidence, at: context.deps.clock.wallMs() }
      const next = { ...journal.value, evidence: [...journal.value.evidence, evidence] }
      return writer.write(journal, next, opening, told(context, 'evidence', describe(action.evidence)))
    }
    case 'prove':
      return prove(context, journal, action, view)
    case 'recover':
      return applyRecover(context, observed)
    case 'power-on':
      return powerOn(context, journal)
    case 'close':
      return writer.write(journal, closed(journal.value), opening, told(context, 'close', CLOSED_TEXT))
    case 'resign':
      context.reign.resign(action.why)
      return false
    default:
      return unreachable(action)
  }
}

const CLOSED_TEXT = 'it has purged itself and is let back in'

function told({ deps }: ApplyContext, step: Told['step'], text: string): Told {
  return { step, text, atMs: deps.clock.nowMs() }
}

async function open(context: ApplyContext, journal: Versioned<FenceJournal>, action: Act<'open'>): Promise<boolean> {
  const { deps, writer, opening, goneSinceMs } = context
  const at = deps.clock.wallMs()
  const isFirst = journal.value.state === 'closed'
  const originMs = goneSinceMs ?? deps.clock.nowMs()
  if (isFirst) writer.begin(originMs)
  const next = opened(journal.value, { life: action.life, bootId: action.bootId, by: action.by, at })
  const suspect: Told = { step: 'suspect', text: action.why, atMs: isFirst ? originMs : deps.clock.nowMs() }
  return writer.write(journal, next, opening, suspect, told(context, 'open', `journal ${next.seq} opened`))
}

/** What is going to be tried, for the timeline. */
function plans(view: FenceView, { addresses }: Act<'commit'>): string {
  const due = selfFenceDue(view)
  const selfFence =
    due.kind === 'never'
      ? `not counting on its self-fence: ${due.reason}`
      : `its self-fence is due in ${seconds(due.waitMs)}`
  return `still away: shutting ${addresses.join(', ')} out of Ceph, switching its power off, ${selfFence}`
}

function describe(evidence: NewEvidence): string {
  switch (evidence.kind) {
    case 'power-off':
      return `proof: its power is off (${evidence.method})`
    case 'self-fence':
      return `proof: ${seconds(evidence.waitedMs)} have passed, in which its guard has ended every guest`
    case 'reboot':
      return 'proof: the machine has been booted anew'
    case 'operator':
      return `proof: ${evidence.by} says that the machine is off or cut off`
    default:
      return unreachable(evidence)
  }
}

/** The entries are looked up once more in this very moment: they are what keeps an undead node from writing. */
async function prove(
  context: ApplyContext,
  journal: Versioned<FenceJournal>,
  action: Act<'prove'>,
  view: FenceView,
): Promise<boolean> {
  const { deps, opening, writer } = context
  const at = deps.clock.wallMs()
  const { addresses } = journal.value
  if (action.isWithoutCeph) {
    const next = proven(journal.value, [{ kind: 'no-ceph', at }], action.deadLives)
    const text = 'its life is over; Ceph cannot be written by anybody, so it is not shut out'
    return writer.write(journal, next, opening, told(context, 'evidence', text))
  }
  const { osdEpoch } = view.storage
  if (opening === undefined || osdEpoch === undefined) return false
  if (!(await isListed(context, opening, addresses))) return false
  const evidence: Evidence[] = [
    { kind: 'blocklist', addresses: [...addresses], osdEpoch, at },
    { kind: 'osd-map', osdEpoch, at },
  ]
  const next = proven(journal.value, evidence, action.deadLives)
  return writer.write(
    journal,
    next,
    opening,
    told(context, 'evidence', 'its life is over and it cannot write: recovering its VMs'),
  )
}

async function isListed(
  { deps, node }: ApplyContext,
  opening: Opening,
  addresses: readonly string[],
): Promise<boolean> {
  try {
    return await opening.storage.isListedNow(addresses)
  } catch (error) {
    deps.log.warn({ node, error: errorChain(error) }, 'the blocklist could not be read')
    return false
  }
}

/** Asked once, and written down before: an operator who switches it off again must not be fought. */
async function powerOn(context: ApplyContext, journal: Versioned<FenceJournal>): Promise<boolean> {
  const { deps, reign, writer, opening, node } = context
  if (opening === undefined) return false
  const next = { ...journal.value, isPowerOnAsked: true }
  if (!(await writer.write(journal, next, opening, told(context, 'return', 'its VMs are recovered: switching it on'))))
    return false
  const document = await reign.session.get(tree.node(node).power)
  if (document === undefined) return true
  try {
    const access = deps.unseal(node, document.value)
    const call = { node, deadlineMs: deps.settings.powerTimeoutMs, signal: reign.ended }
    const answer = await deps.power.on(access, call)
    const isDone = answer.kind === 'accepted' || answer.kind === 'on'
    if (!isDone)
      opening.tell('return', `it could not be switched on: ${'reason' in answer ? answer.reason : answer.kind}`)
  } catch (error) {
    opening.tell('return', `it could not be switched on: ${errorChain(error)}`)
  }
  return true
}
