import { sleep } from '../../base/clock.ts'
import { errorChain } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { PowerAccess } from '../../model/power.ts'
import type { Power, PowerAnswer } from '../../ports/power.ts'
import type { PowerProof } from '../view.ts'
import type { ProofContext } from './context.ts'

const STATUS_EVERY_MS = 500
/** After a failure; a controller that was being restarted answers by then. */
const RETRY_MS = 10_000

export type PowerCollectorOptions = {
  readonly power: Power
  /** Undefined: the node has no power controller. @throws PvcError when it cannot be read */
  readonly access: () => Promise<PowerAccess | undefined>
  readonly node: NodeName
  /** Off and its reading back take no longer. */
  readonly timeoutMs: number
}

/** Switches a node off and believes it only when the status says so afterwards (protocol P4 c). */
export class PowerCollector {
  readonly #options: PowerCollectorOptions
  readonly #context: ProofContext
  #proof: PowerProof = { kind: 'none' }
  #triedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: PowerCollectorOptions, context: ProofContext) {
    this.#options = options
    this.#context = context
  }

  get proof(): PowerProof {
    return this.#proof
  }

  /** One attempt, unless it is off already or the last attempt was a moment ago. @returns true when there was news */
  async step(): Promise<boolean> {
    const { clock } = this.#context
    if (this.#proof.kind === 'off' || clock.nowMs() - this.#triedAtMs < RETRY_MS) return false
    const before = this.#proof.kind === 'no-proof' ? this.#proof.reason : ''
    this.#triedAtMs = clock.nowMs()
    // While it tries again, the last verdict stands.
    if (this.#proof.kind === 'none') this.#proof = { kind: 'trying' }
    this.#proof = await this.#attempt()
    this.#triedAtMs = clock.nowMs()
    if (this.#proof.kind === 'off') this.#context.tell('power', 'power off was accepted and read back')
    else if (this.#proof.kind === 'no-proof' && this.#proof.reason !== before)
      this.#context.tell('power', this.#proof.reason)
    return true
  }

  async #attempt(): Promise<PowerProof> {
    try {
      const access = await this.#options.access()
      if (access === undefined || access.method === 'none')
        return { kind: 'no-proof', reason: 'no power controller is configured for it' }
      return await this.#switchOff(access)
    } catch (error) {
      return { kind: 'no-proof', reason: `its power controller cannot be used: ${errorChain(error)}` }
    }
  }

  async #switchOff(access: PowerAccess): Promise<PowerProof> {
    const { clock, signal } = this.#context
    const { power, node, timeoutMs } = this.#options
    const endMs = clock.nowMs() + timeoutMs
    const call = () => ({ node, deadlineMs: Math.max(1, Math.round(endMs - clock.nowMs())), signal })
    const off = await this.#context.irreversible('power off', () => power.off(access, call()))
    if (off.kind === 'refused') return { kind: 'no-proof', reason: off.reason }
    if (off.value.kind !== 'accepted' && off.value.kind !== 'off')
      return { kind: 'no-proof', reason: verdict(off.value, 'switch the power off') }
    let last: PowerAnswer = off.value
    while (!signal.aborted && clock.nowMs() < endMs) {
      const answer = await power.status(access, call())
      if (answer.kind === 'off') return { kind: 'off', method: access.method }
      // The last question may have had no time left: what it said before tells more.
      if (answer.kind !== 'unreachable' || last.kind !== 'on') last = answer
      await sleep(clock, Math.min(STATUS_EVERY_MS, Math.max(0, endMs - clock.nowMs())), signal)
    }
    return { kind: 'no-proof', reason: verdict(last, 'read the power back as off') }
  }
}

/** Why an answer is no proof, in words for an operator. */
export function verdict(answer: PowerAnswer, attempt: string): string {
  switch (answer.kind) {
    case 'on':
      return 'its power controller took the order to switch off, but still says the power is on: it does not obey or acts late, it switches another machine, or the machine was reset instead'
    case 'refused':
      return `its power controller refused to ${attempt}: ${answer.reason}`
    case 'unreachable':
      return `its power controller could not be reached to ${attempt}: ${answer.reason}`
    case 'failed':
      return `its power controller failed to ${attempt}: ${answer.reason}`
    case 'accepted':
    case 'off':
      return 'its power controller did not say in time that the power is off'
  }
}
