import { realCephWorld } from './ceph-world.ts'
import { describeStorageFence } from './storage-fence.contract.ts'

describeStorageFence('a cluster of one', realCephWorld)
