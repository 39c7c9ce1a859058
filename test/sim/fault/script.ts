/** What happens in a run: lines of text, each a time or an occasion and a deed. A script can be read, shortened and played again. */
import type { Random } from '../engine/random.ts'
import type { Cluster } from '../world/cluster.ts'
import { deeds } from './deeds.ts'

/** When a deed is done. */
export type Occasion =
  | { readonly kind: 'at'; readonly atMs: number }
  /** At the nth such call of a process, counted from `fromMs` on. */
  | {
      readonly kind: 'call'
      readonly fromMs: number
      readonly process: string
      readonly call: string
      readonly phase: 'before' | 'after'
      readonly nth: number
    }

export type Step = { readonly occasion: Occasion; readonly deed: string; readonly args: readonly string[] }
export type Script = readonly Step[]

/** The words of a step, as they stand in a script. */
export function stepText({ occasion, deed, args }: Step): string {
  const when =
    occasion.kind === 'at'
      ? `at ${occasion.atMs}`
      : `from ${occasion.fromMs} ${occasion.phase} ${occasion.process} ${occasion.call} ${occasion.nth}`
  return [when, deed, ...args].join(' ')
}

/** Reads a script; `#` begins a comment. */
export function parseScript(text: string): Script {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim())
  return lines.filter((line) => line !== '').map(parseStep)
}

function parseStep(line: string): Step {
  const words = line.split(/\s+/)
  const [kind, first] = words
  if (kind === 'at') {
    const [deed = '', ...args] = words.slice(2)
    return { occasion: { kind: 'at', atMs: Number(first) }, deed, args }
  }
  const [, , phase, process = '', call = '', nth, deed = '', ...args] = words
  if (kind !== 'from' || (phase !== 'before' && phase !== 'after')) throw new Error(`not a step: ${line}`)
  return { occasion: { kind: 'call', fromMs: Number(first), process, call, phase, nth: Number(nth) }, deed, args }
}

/** Which deeds are likely, and how many. */
export type Profile = {
  readonly deeds: Readonly<Record<string, number>>
  readonly count: readonly [number, number]
  /** Share of the deeds that strike at a call instead of at a time. */
  readonly atCalls: number
  /** Calls that are struck at. */
  readonly calls: readonly string[]
}

/** Between these times deeds are done. */
export const SPAN_MS = { from: 4000, to: 42_000 } as const

/** A script that follows from the random numbers. */
export function makeScript(random: Random, cluster: Pick<Cluster, 'hosts' | 'vms'>, profile: Profile): Script {
  const names = Object.entries(profile.deeds).flatMap(([deed, weight]) => Array<string>(weight).fill(deed))
  const steps = Array.from({ length: random.int(...profile.count) }, (): Step => {
    const deed = random.pick(names)
    const make = deeds[deed]
    if (make === undefined) throw new Error(`no such deed: ${deed}`)
    const atMs = random.int(SPAN_MS.from, SPAN_MS.to)
    const args = make.random(random, cluster)
    if (!random.chance(profile.atCalls)) return { occasion: { kind: 'at', atMs }, deed, args }
    const process = random.pick(cluster.hosts).name
    const phase = random.chance(0.5) ? 'before' : 'after'
    const nth = random.chance(0.6) ? 1 : random.int(2, 6)
    const occasion = { kind: 'call', fromMs: atMs, process, call: random.pick(profile.calls), phase, nth } as const
    // What strikes at a call mostly concerns the one who calls.
    const own = args[0]?.startsWith('hv') && random.chance(0.7) ? [process, ...args.slice(1)] : args
    return { occasion, deed, args: own }
  })
  return steps.sort((one, other) => timeOf(one) - timeOf(other))
}

/** When a step is done at the earliest. */
export function timeOf({ occasion }: Step): number {
  return occasion.kind === 'at' ? occasion.atMs : occasion.fromMs
}

/** Lets a script happen to a cluster. */
export function playScript(cluster: Cluster, script: Script): void {
  const { engine } = cluster
  const waiting = new Map<string, { readonly step: Step; readonly fromMs: number; left: number }[]>()
  const act = (step: Step) => {
    engine.note(`> ${stepText(step)}`)
    const deed = deeds[step.deed]
    if (deed === undefined) throw new Error(`no such deed: ${step.deed}`)
    deed.act(cluster, step.args)
  }
  for (const step of script) {
    const { occasion } = step
    if (occasion.kind === 'at') engine.after(occasion.atMs, 'script', () => act(step))
    else {
      const key = `${occasion.process} ${occasion.call} ${occasion.phase}`
      waiting.set(key, [...(waiting.get(key) ?? []), { step, fromMs: occasion.fromMs, left: occasion.nth }])
    }
  }
  if (waiting.size === 0) return
  cluster.strike = ({ process, call, phase }) => {
    for (const entry of waiting.get(`${process} ${call} ${phase}`) ?? []) {
      if (entry.left === 0 || engine.nowMs < entry.fromMs) continue
      entry.left -= 1
      if (entry.left === 0) act(entry.step)
    }
  }
}
