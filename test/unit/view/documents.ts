/** Small documents for the tests of the index. */
import { emptyVmStatus, type VmStatus, type VmTombstone } from '../../../src/model/domain.ts'
import type { VmUuid } from '../../../src/model/ids.ts'
import type { Log } from '../../../src/ports/log.ts'

/** A VM as it begins and ends: a tombstone. */
export function tombstone(uuid: VmUuid, generation: number): VmTombstone {
  return { uuid, deleted: { at: 0, lastSeq: 0, generation } }
}

/** A status nobody holds. */
export function status(seq: number): VmStatus {
  return emptyVmStatus(seq, 0)
}

const quiet = () => undefined

/** A log that keeps nothing. */
export const silentLog: Log = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  fatal: quiet,
  child: () => silentLog,
}
