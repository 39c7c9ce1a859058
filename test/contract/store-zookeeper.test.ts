/** The contract against a real ensemble of three servers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type Ensemble, startEnsemble } from '../lab/zookeeper.ts'
import { describeStore } from './store.contract.ts'
import { describeTakeover } from './store-takeover.contract.ts'
import { realWorld } from './store-world.ts'

const dir = mkdtempSync(join(tmpdir(), 'pvc-store-'))
let ensemble: Ensemble

beforeAll(async () => {
  ensemble = await startEnsemble({ dir })
})
afterAll(async () => {
  await ensemble?.stop()
  rmSync(dir, { recursive: true, force: true })
})

describeStore('ZooKeeper', () => realWorld(ensemble))
describeTakeover('ZooKeeper', () => realWorld(ensemble))
