import { type Clock, sleep } from '../../base/clock.ts'
import type { PowerAccess } from '../../model/power.ts'
import type { Power, PowerAnswer, PowerCall } from '../../ports/power.ts'

/**
 * What is wrong with a power controller. lie: takes the command and does nothing. slow: acts after 3 s, when ipmitool has given
 * up. late: takes the command and acts after 40 s, when nobody asks any more. dead: never answers. reset: switches off and at
 * once on again. fail: reports an error. refuse: does not take the login.
 */
export type PowerFlaw = 'lie' | 'slow' | 'late' | 'dead' | 'reset' | 'fail' | 'refuse'

const SLOW_MS = 3000
const LATE_MS = 40_000

/** Power controllers of fake machines, by node. Machines are on until switched off. */
export class FakePower implements Power {
  readonly #off = new Set<string>()
  readonly #flaws = new Map<string, PowerFlaw>()
  readonly #clock: Clock
  /** Every switching of a machine, in order, as `NODE on`. */
  readonly actions: string[] = []
  /** Told when a machine is switched, e.g. to stop what runs on it. */
  onSwitch: (node: string, isOn: boolean) => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Gives the controller of a node a flaw, or takes it away. */
  flaw(node: string, flaw: PowerFlaw | undefined): void {
    if (flaw === undefined) this.#flaws.delete(node)
    else this.#flaws.set(node, flaw)
  }

  isOn(node: string): boolean {
    return !this.#off.has(node)
  }

  async status(access: PowerAccess, call: PowerCall): Promise<PowerAnswer> {
    return this.#answer(access, call, () => ({ kind: this.isOn(call.node) ? 'on' : 'off' }))
  }

  off(access: PowerAccess, call: PowerCall): Promise<PowerAnswer> {
    return this.#command(access, call, false)
  }

  on(access: PowerAccess, call: PowerCall): Promise<PowerAnswer> {
    return this.#command(access, call, true)
  }

  #command(access: PowerAccess, call: PowerCall, isOn: boolean): Promise<PowerAnswer> {
    return this.#answer(access, call, async (flaw) => {
      if (flaw === 'fail') return { kind: 'failed', reason: 'the BMC reports an error' }
      if (flaw === 'slow') return this.#actSlowly(call, isOn)
      if (flaw === 'late') {
        this.#clock.setTimer(LATE_MS, () => this.#switch(call.node, isOn))
        return { kind: 'accepted' }
      }
      if (flaw !== 'lie') this.#switch(call.node, isOn)
      if (flaw === 'reset' && !isOn) this.#switch(call.node, true)
      return { kind: 'accepted' }
    })
  }

  async #actSlowly(call: PowerCall, isOn: boolean): Promise<PowerAnswer> {
    // What was sent has its effect, also when nobody waits for it any more.
    this.#clock.setTimer(SLOW_MS, () => this.#switch(call.node, isOn))
    await sleep(this.#clock, Math.min(call.deadlineMs, SLOW_MS), call.signal)
    return call.signal.aborted ? CALLED_OFF : silence(call)
  }

  #switch(node: string, isOn: boolean): void {
    if (isOn) this.#off.delete(node)
    else this.#off.add(node)
    this.actions.push(`${node} ${isOn ? 'on' : 'off'}`)
    this.onSwitch(node, isOn)
  }

  async #answer(
    access: PowerAccess,
    call: PowerCall,
    act: (flaw: PowerFlaw | undefined) => PowerAnswer | Promise<PowerAnswer>,
  ): Promise<PowerAnswer> {
    if (access.method === 'none') return { kind: 'failed', reason: `node ${call.node} has no power control configured` }
    if (call.signal.aborted) return CALLED_OFF
    const flaw = this.#flaws.get(call.node)
    if (flaw === 'refuse') return { kind: 'refused', reason: 'the BMC refuses the login' }
    if (flaw !== 'dead') return act(flaw)
    await sleep(this.#clock, call.deadlineMs, call.signal)
    return call.signal.aborted ? CALLED_OFF : silence(call)
  }
}

const CALLED_OFF: PowerAnswer = { kind: 'failed', reason: 'it was called off' }

function silence({ deadlineMs }: PowerCall): PowerAnswer {
  return { kind: 'unreachable', reason: `no answer within ${deadlineMs} ms` }
}
