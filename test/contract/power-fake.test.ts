import { describePower } from './power.contract.ts'
import { fakeWorld } from './power-world.ts'

describePower('the fake', fakeWorld, true)
