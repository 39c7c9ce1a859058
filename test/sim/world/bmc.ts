/** The power controllers of the simulated machines, with everything real ones get wrong. */
import type { PowerAccess } from '../../../src/model/power.ts'
import type { Power, PowerAnswer, PowerCall, PowerVault } from '../../../src/ports/power.ts'
import type { Engine } from '../engine/engine.ts'
import type { Random } from '../engine/random.ts'

/**
 * dead: never answers. slow: acts long after it was given up. ignore: takes commands and does nothing. lie: does nothing
 * and says that the machine is off. wrong: it is another machine's. reset: switches off and on again. auto-on: the
 * machine comes back on by itself a while after it was switched off.
 */
export const BMC_FLAWS = ['dead', 'slow', 'ignore', 'lie', 'wrong', 'reset', 'auto-on'] as const
export type BmcFlaw = (typeof BMC_FLAWS)[number]

export type BmcOptions = {
  readonly engine: Engine
  readonly random: Random
  readonly isOn: (node: string) => boolean
  /** Cuts or gives power at once. */
  readonly power: (node: string, isOn: boolean) => void
  /** Another machine, whose controller answers for this one when they were mixed up. */
  readonly other: (node: string) => string
}

/** Time from the command to the loss of power. */
const ACT_MS = [50, 800] as const
const SLOW_MS = [3000, 120_000] as const
const AUTO_ON_MS = 3000

export class SimBmcs implements Power {
  readonly flaws = new Map<string, BmcFlaw>()
  /** Everything was made good: a slow controller does not act any more on what it was told before. */
  #isGood = false
  readonly #options: BmcOptions

  constructor(options: BmcOptions) {
    this.#options = options
  }

  makeGood(): void {
    this.flaws.clear()
    this.#isGood = true
  }

  status(_access: PowerAccess, call: PowerCall): Promise<PowerAnswer> {
    return this.#answer(call, (flaw, machine) => {
      const isOff = flaw === 'lie' || !this.#options.isOn(machine)
      return { kind: isOff ? 'off' : 'on' }
    })
  }

  off(_access: PowerAccess, call: PowerCall): Promise<PowerAnswer> {
    return this.#answer(call, (flaw, machine) => {
      if (flaw !== 'ignore' && flaw !== 'lie') this.#switchOff(machine, flaw)
      return { kind: 'accepted' }
    })
  }

  on(_access: PowerAccess, call: PowerCall): Promise<PowerAnswer> {
    return this.#answer(call, (flaw, machine) => {
      if (flaw !== 'ignore' && flaw !== 'lie') this.#after(ACT_MS, machine, true)
      return { kind: 'accepted' }
    })
  }

  #switchOff(machine: string, flaw: BmcFlaw | undefined): void {
    const { engine } = this.#options
    this.#after(flaw === 'slow' ? SLOW_MS : ACT_MS, machine, false)
    if (flaw === 'reset') this.#after([ACT_MS[1] + 1, ACT_MS[1] + 200], machine, true)
    if (flaw === 'auto-on')
      engine.after(AUTO_ON_MS, `${machine}: comes on by itself`, () => this.#options.power(machine, true))
  }

  #after([low, high]: readonly [number, number], machine: string, isOn: boolean): void {
    const { engine, random, power } = this.#options
    engine.after(random.int(low, high), `${machine}: power ${isOn ? 'on' : 'off'}`, () => {
      if (this.#isGood && low === SLOW_MS[0]) return
      engine.note(`  ${machine}: its BMC switches it ${isOn ? 'on' : 'off'}`)
      power(machine, isOn)
    })
  }

  #answer(call: PowerCall, act: (flaw: BmcFlaw | undefined, machine: string) => PowerAnswer): Promise<PowerAnswer> {
    const { engine, other } = this.#options
    const flaw = this.flaws.get(call.node)
    const isSilent = flaw === 'dead'
    const calledOff: PowerAnswer = { kind: 'failed', reason: 'it was called off' }
    const unreachable: PowerAnswer = { kind: 'unreachable', reason: `no answer within ${call.deadlineMs} ms` }
    if (call.signal.aborted) return Promise.resolve(calledOff)
    if (!isSilent) return Promise.resolve(act(flaw, flaw === 'wrong' ? other(call.node) : call.node))
    return new Promise((resolve) => {
      const abort = () => resolve(calledOff)
      call.signal.addEventListener('abort', abort, { once: true })
      engine.after(call.deadlineMs, `${call.node}: no answer of its BMC`, () => {
        call.signal.removeEventListener('abort', abort)
        resolve(unreachable)
      })
    })
  }
}

/** How the power of every machine is switched, as its configuration would say. */
export const BMC_ACCESS: PowerAccess = {
  method: 'ipmi',
  host: '10.0.9.1',
  user: 'admin',
  password: 'simulated',
  interface: 'lanplus',
  cipherSuite: 3,
}

/** Sealing has its own tests; here a sealed access is the access. */
export const openVault: PowerVault = {
  document: (node, access) => ({ method: access.method, sealed: access.method, fingerprint: String(node) }),
  fingerprint: (node) => String(node),
  open: (_node, { method }) => (method === 'none' ? { method } : BMC_ACCESS),
}
