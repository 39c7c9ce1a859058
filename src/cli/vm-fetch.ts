import type { Vm } from '../contract/vm.ts'
import type { ApiClient } from './client.ts'
import { CommandFailure } from './failure.ts'

/** The one object of an answer that is an object or a list of one. */
export function single<T>(answer: T | readonly T[], what: string): T {
  const list: readonly T[] = isList(answer) ? answer : [answer]
  const [first] = list
  if (first === undefined || list.length !== 1) throw new CommandFailure(`${what} not found.`)
  return first
}

function isList<T>(answer: T | readonly T[]): answer is readonly T[] {
  return Array.isArray(answer)
}

/** One VM by name or UUID. */
export async function fetchVm(api: ApiClient, name: string): Promise<Vm> {
  return single(await api.call('vmInfo', { vm: name }), 'VM')
}
