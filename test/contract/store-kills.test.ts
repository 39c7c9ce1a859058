/** A minute of servers that die one after the other: no acknowledged write is lost, and the index is right afterwards. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { hasCode } from '../../src/model/errors.ts'
import type { Store, StoreSession } from '../../src/ports/store.ts'
import { json } from '../../src/schema/codec.ts'
import type { Key } from '../../src/schema/key.ts'
import { directory, document } from '../../src/view/collection.ts'
import { createIndex } from '../../src/view/index.ts'
import { pollUntil } from '../lab/poll.ts'
import { type Ensemble, startEnsemble } from '../lab/zookeeper.ts'
import { codeOf, DEADLINE_MS, level } from './store-note.ts'
import { clock, realWorld, settled, testLog } from './store-world.ts'

const KILLING_MS = 60_000
const DOCUMENTS = 200
const dir = mkdtempSync(join(tmpdir(), 'pvc-store-'))
let ensemble: Ensemble

beforeAll(async () => {
  ensemble = await startEnsemble({ dir })
})
afterAll(async () => {
  await ensemble?.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** How often each writer has counted up; a writer recognises its own write after an unknown outcome. */
const Tally = z.record(z.string(), z.number())
type Tally = z.infer<typeof Tally>
const tallyKey = (n: number): Key<Tally> => ({ path: `/tally/${n}`, codec: json(Tally) })

/** Counts up one of the documents, as a careful program does: an unknown outcome is settled by reading. */
async function countUp(store: Store, writer: string, n: number, value: number): Promise<void> {
  const key = tallyKey(n)
  for (;;) {
    try {
      const session = await store.connected(30_000)
      const current = await session.get(key)
      if (!current || (current.value[writer] ?? 0) >= value) return
      await session.set(key, { ...current.value, [writer]: value }, current.version)
      return
    } catch (error) {
      const isExpected = hasCode(
        error,
        'PVC_STORE_VERSION',
        'PVC_STORE_TIMEOUT',
        'PVC_STORE_UNAVAILABLE',
        'PVC_STORE_SESSION_LOST',
      )
      if (!isExpected) throw error
    }
  }
}

/** Kills a random server, every third time the leader, waits for a leader, starts it again, until the time is over. */
async function killServers(untilMs: number): Promise<number> {
  let kills = 0
  while (clock.nowMs() < untilMs) {
    const victim = kills % 3 === 0 ? await ensemble.leader() : Math.floor(Math.random() * ensemble.servers.length)
    await ensemble.kill(victim)
    kills += 1
    await ensemble.leader(30_000)
    await ensemble.restart(victim, { timeoutMs: 30_000 })
    await settled(ensemble)
  }
  return kills
}

it('no update is lost and the index is right after a minute of server kills', { timeout: 150_000 }, async () => {
  const world = realWorld(ensemble, 6000)
  const setUp = await world.connectDirectly().connected(DEADLINE_MS)
  await setUp.ensure(['/tally'])
  for (let n = 0; n < DOCUMENTS; n += 1) await setUp.create(tallyKey(n), {})

  const sum = (tally: Tally) => Object.values(tally).reduce((total, value) => total + value, 0)
  const problems: unknown[] = []
  const index = createIndex({
    store: world.connectDirectly(),
    clock,
    log: testLog,
    collections: [directory('/tally', (name) => [document(tallyKey(Number(name)), { order: sum })])],
    onProblem: (problem) => problems.push(problem),
  })
  await index.ready(DEADLINE_MS)

  const endMs = clock.nowMs() + KILLING_MS
  const write = async (writer: string): Promise<number[]> => {
    const store = world.connectDirectly()
    const counts = Array<number>(DOCUMENTS).fill(0)
    for (let turn = 0; clock.nowMs() < endMs; turn += 1) {
      const n = turn % DOCUMENTS
      counts[n] = (counts[n] ?? 0) + 1
      await countUp(store, writer, n, counts[n] ?? 0)
    }
    return counts
  }
  const [kills, first, second] = await Promise.all([killServers(endMs), write('first'), write('second')])
  expect(kills).toBeGreaterThan(3)

  const expected = first.map((count, n) => ({ first: count, second: second[n] ?? 0 }))
  for (const { index: server } of ensemble.servers) {
    const { store } = await world.connect({ only: [server] })
    const session = await store.connected(DEADLINE_MS)
    expect(await readAll(session)).toEqual(expected)
  }
  await level('the index to be verified', () => index.isFresh.value, 20_000)
  await pollUntil({ what: 'the index to hold what the servers hold', timeoutMs: 5000 }, async () => {
    expect(expected.map((_, n) => index.get(tallyKey(n))?.value)).toEqual(expected)
    return true
  })
  expect(problems.filter((problem) => !hasCode(problem, 'PVC_STORE_TIMEOUT'))).toEqual([])
  index.close()
  expect(await codeOf(world.close())).toBeUndefined()
  console.log(`${kills} kills, ${first.concat(second).reduce((a, b) => a + b)} acknowledged updates`)
})

async function readAll(session: StoreSession): Promise<(Tally | undefined)[]> {
  await session.sync()
  return Promise.all(Array.from({ length: DOCUMENTS }, async (_, n) => (await session.get(tallyKey(n)))?.value))
}
