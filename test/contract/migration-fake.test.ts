import { describeMigration } from './migration.contract.ts'
import { fakeMigrationWorld } from './migration-world.ts'

describeMigration('two fakes', fakeMigrationWorld)
