import { describeCeph } from './ceph.contract.ts'
import { fakeCephWorld } from './ceph-world.ts'

describeCeph('the fake', fakeCephWorld)
