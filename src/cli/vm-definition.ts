import type { Vm } from '../contract/vm.ts'
import type { ApiClient } from './client.ts'
import type { Session } from './session.ts'
import { fetchVm } from './vm-fetch.ts'

/**
 * Replaces the definition of a VM with one made from `vm`, and says so. Where the server numbers versions, a VM that
 * somebody else changed in between is refused rather than overwritten.
 */
export async function replaceDefinition(
  session: Session,
  api: ApiClient,
  name: string,
  vm: Vm,
  change: { readonly xml: string; readonly restart: boolean },
): Promise<void> {
  const { xml, restart } = change
  const { message, warnings = [] } = await api.call('vmModify', { vm: name, restart, version: vm.version, xml })
  session.print(restart ? message : `${message} Changes will be applied on next VM start/restart.`)
  for (const warning of warnings) session.note(`Warning: ${warning}`)
}

export type RestartChoice = { readonly restart?: boolean | undefined; readonly yes: boolean }

const OFF_STATES: readonly string[] = ['stop', 'disable', 'fail', 'provision', 'mirror', 'import', 'restore']

/**
 * Changes a VM's definition by `edit`, and restarts the VM if that is wanted: --restart (confirmed), --no-restart, or an
 * answer. A VM that does not run needs no restart, and nobody is asked.
 */
export async function editDefinition(
  session: Session,
  api: ApiClient,
  name: string,
  choice: RestartChoice,
  edit: (xml: string) => string,
): Promise<void> {
  const vm = await fetchVm(api, name)
  const xml = edit(vm.xml)
  let restart = choice.restart === true
  if (restart) await session.confirm(`Restart VM "${name}"`, choice.yes)
  else if (choice.restart === undefined && !OFF_STATES.includes(vm.state)) {
    restart = await session.agrees(`Restart VM "${name}" to apply changes`)
  }
  await replaceDefinition(session, api, name, vm, { xml, restart })
}
