import { describeMigration } from './migration.contract.ts'
import { libvirtMigrationWorld } from './migration-world.ts'

describeMigration('two libvirtds with QEMU', libvirtMigrationWorld)
