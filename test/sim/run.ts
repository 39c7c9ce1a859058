/** One run: a cluster, a script, the oracles, and the calm after it in which everything must come right. */
import { Random } from './engine/random.ts'
import { profiles } from './fault/profiles.ts'
import { makeScript, type Profile, playScript, type Script, SPAN_MS, timeOf } from './fault/script.ts'
import { CommandOracle } from './oracle/commands.ts'
import { GuestOracle } from './oracle/guests.ts'
import { JournalOracle } from './oracle/journals.ts'
import { ProgressOracle } from './oracle/progress.ts'
import { RecordOracle } from './oracle/records.ts'
import { Violation } from './oracle/violation.ts'
import { WriteOracle } from './oracle/writes.ts'
import { Cluster } from './world/cluster.ts'

export type RunOptions = {
  readonly seed: number
  readonly nodes: number
  readonly vms: number
  readonly maxSteps: number
  /** Undefined: one that follows from the seed. */
  readonly profile: string | undefined
  /** Undefined: made from the seed by its profile. */
  readonly script: Script | undefined
  readonly trace?: (line: string) => void
}

export type RunResult = {
  readonly seed: number
  readonly profile: string
  readonly script: Script
  readonly steps: number
  readonly virtualMs: number
  /** Of everything that happened. */
  readonly hash: string
  /** The first broken invariant. */
  readonly violation: { readonly id: string; readonly message: string; readonly atMs: number } | undefined
  /** False: the steps were used up before everything had come right. */
  readonly isWhole: boolean
}

/** After the last deed everything is made good. */
const CALM_AFTER_MS = 3000
/** What must be so within this time after that (S8). */
const CONVERGE_MS = 120_000
/** So long everything must have been right before a run ends. */
const SETTLED_MS = 3000
/** How often is looked whether everything is right. */
const LOOK_EVERY_MS = 100

/** Errors nobody waited for, while a run is going on: a real daemon would have crashed. */
export const unhandled: unknown[] = []

export async function simulate(options: RunOptions): Promise<RunResult> {
  const { seed, maxSteps, trace } = options
  const random = new Random(`script ${seed}`)
  const name = options.profile ?? random.pick(Object.keys(profiles))
  const profile: Profile | undefined = profiles[name]
  if (profile === undefined) throw new Error(`no such profile: ${name}`)
  const cluster = new Cluster(options)
  const { engine } = cluster
  if (trace)
    engine.trace = (line) =>
      trace(line.startsWith('  ') || line.startsWith('>') ? `${time(engine.nowMs)} ${line}` : line)
  const script = options.script ?? makeScript(random, cluster, profile)
  const calmAtMs = Math.max(SPAN_MS.to, ...script.map(timeOf)) + CALM_AFTER_MS
  const oracles = watch(cluster, calmAtMs)
  playScript(cluster, script)
  cluster.begin()
  engine.after(calmAtMs, 'everything is made good', () => cluster.makeGood())
  let violation: RunResult['violation']
  let end: 'done' | 'steps' = 'done'
  unhandled.length = 0
  try {
    end = await engine.run(maxSteps, oracles.judge, oracles.isDone)
  } catch (error) {
    const id = error instanceof Violation ? error.id : 'S0'
    const message = error instanceof Violation ? error.message : stackOf(error)
    violation = { id, message, atMs: engine.nowMs }
    engine.note(`! ${id} ${message}`)
  }
  const { steps, nowMs } = engine
  return {
    seed,
    profile: name,
    script,
    steps,
    virtualMs: nowMs,
    hash: engine.digest(),
    violation,
    isWhole: end === 'done',
  }
}

function watch(cluster: Cluster, calmAtMs: number) {
  const { engine, servers, ceph } = cluster
  const guests = new GuestOracle(cluster)
  const writes = new WriteOracle()
  const records = new RecordOracle(cluster)
  const journals = new JournalOracle(cluster)
  const progress = new ProgressOracle(cluster)
  let broken: unknown
  const keep = (look: () => void) => {
    try {
      look()
    } catch (error) {
      broken ??= error
    }
  }
  // Inside a daemon's call an error would be taken for a failure of the call.
  servers.onWrite = (...write) =>
    keep(() => {
      records.written(...write)
      journals.written(...write)
    })
  servers.onExpired = (session) => keep(() => progress.expired(session))
  const commands = new CommandOracle(cluster)
  cluster.onCommand = (command) => keep(() => commands.begun(command))
  cluster.onStrike = (host) => keep(() => guests.struck(host))
  ceph.onApplied = (write, osd) =>
    keep(() => {
      if (!writes.applied(write, osd)) guests.written(write)
    })
  ceph.onLockTaken = (volume, client) =>
    keep(() => {
      throw new Violation('S13', `the lock of client ${client} on ${volume} was broken, and it lives and may write`)
    })
  let rightSinceMs: number | undefined
  let lookedAtMs = 0
  return {
    judge: (): void => {
      if (broken !== undefined) throw broken
      if (unhandled.length > 0) throw unhandled[0]
      guests.check()
      progress.check()
    },
    isDone: (): boolean => {
      if (engine.nowMs < calmAtMs || engine.nowMs - lookedAtMs < LOOK_EVERY_MS) return false
      lookedAtMs = engine.nowMs
      const missing = progress.missing()
      if (missing.length > 0) rightSinceMs = undefined
      else rightSinceMs ??= engine.nowMs
      if (rightSinceMs !== undefined) return engine.nowMs - rightSinceMs > SETTLED_MS
      if (engine.nowMs < calmAtMs + CONVERGE_MS) return false
      throw new Violation('S8', `${missing.join(', ')}, ${CONVERGE_MS / 1000} s after everything was made good`)
    },
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function time(nowMs: number): string {
  return `${(nowMs / 1000).toFixed(3).padStart(9)}`
}
