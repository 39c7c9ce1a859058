/** A running ensemble for the tests of one file, whole again before each of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { type Ensemble, startEnsemble } from '../lab/zookeeper.ts'
import { DEADLINE_MS, level } from './store-note.ts'
import { type RealClient, type RealWorld, realWorld, settled } from './store-world.ts'

/** Session timeout of the product. */
export const SESSION_TIMEOUT_MS = 6000

/** What a test of this file works with; valid inside a test only. */
export type EnsembleFixture = { readonly ensemble: Ensemble; readonly world: RealWorld }

/** Starts three servers before the tests of the calling file and stops them afterwards; each test has a tree of its own. */
export function useEnsemble(): EnsembleFixture {
  const dir = mkdtempSync(join(tmpdir(), 'pvc-store-'))
  let ensemble: Ensemble | undefined
  let world: RealWorld | undefined
  const running = (): Ensemble => {
    if (!ensemble) throw new Error('the ensemble does not run')
    return ensemble
  }
  beforeAll(async () => {
    ensemble = await startEnsemble({ dir })
  })
  afterAll(async () => {
    await ensemble?.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  beforeEach(() => {
    world = realWorld(running(), SESSION_TIMEOUT_MS)
  })
  afterEach(async () => {
    await world?.close()
    for (const server of running().servers) running().resume(server.index)
    await settled(running())
  })
  return {
    get ensemble() {
      return running()
    },
    get world() {
      if (!world) throw new Error('no test runs')
      return world
    },
  }
}

/** States a session goes through, in order. */
export function recordStates(session: {
  readonly state: { subscribe(listener: (state: string) => void): unknown }
}): string[] {
  const states: string[] = []
  session.state.subscribe((state) => states.push(state))
  return states
}

/** Index of the server a client is connected to. */
export async function serverOf(client: RealClient): Promise<number> {
  await level('a connection', () => client.proxy.current() !== undefined, DEADLINE_MS)
  return client.proxy.current() ?? 0
}
