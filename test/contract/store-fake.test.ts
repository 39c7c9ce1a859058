import { describeStore } from './store.contract.ts'
import { fakeWorld } from './store-world.ts'

describeStore('the in-memory ensemble', fakeWorld)
