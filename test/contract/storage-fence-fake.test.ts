import { fakeCephWorld } from './ceph-world.ts'
import { describeStorageFence } from './storage-fence.contract.ts'

describeStorageFence('the fake', fakeCephWorld)
