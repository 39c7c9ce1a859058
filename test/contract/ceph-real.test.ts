import { describeCeph } from './ceph.contract.ts'
import { realCephWorld } from './ceph-world.ts'

describeCeph('a cluster of one', realCephWorld)
