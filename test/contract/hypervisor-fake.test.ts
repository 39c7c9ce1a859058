import { describeHypervisor } from './hypervisor.contract.ts'
import { fakeHypervisorWorld } from './hypervisor-world.ts'

describeHypervisor('the fake', fakeHypervisorWorld)
