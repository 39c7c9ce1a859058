import { describeStore } from './store.contract.ts'
import { describeTakeover } from './store-takeover.contract.ts'
import { fakeWorld } from './store-world.ts'

describeStore('the in-memory ensemble', fakeWorld)
describeTakeover('the in-memory ensemble', fakeWorld)
