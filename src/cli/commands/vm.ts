import type { Command } from 'commander'
import { addVmConsoleCommand } from './console.ts'
import { addVmLogCommand } from './log.ts'
import { addGroup, type OpenSession } from './options.ts'
import { addVmDefinitionCommands } from './vm-define.ts'
import { addVmViewCommands } from './vm-list.ts'
import { addVmLocksCommand } from './vm-locks.ts'
import { addVmModifyCommand } from './vm-modify.ts'
import { addVmMoveCommands } from './vm-move.ts'
import { addVmPartCommands } from './vm-part.ts'
import { addVmStateCommands } from './vm-state.ts'

/** `pvc vm …`. */
export function addVmCommands(program: Command, open: OpenSession): void {
  const vm = addGroup(program, 'vm', 'Manage PVC VMs.', 'Manage and view the VMs of a PVC cluster.')
  addVmDefinitionCommands(vm, open)
  addVmModifyCommand(vm, open)
  addVmStateCommands(vm, open)
  addVmMoveCommands(vm, open)
  addVmLocksCommand(vm, open)
  addVmPartCommands(vm, open)
  addVmViewCommands(vm, open)
  addVmLogCommand(vm, open)
  addVmConsoleCommand(vm, open)
}
