import type { VmUuid } from '../../model/ids.ts'
import type { ConsoleListener, OpenConsole } from '../../ports/hypervisor.ts'
import { CONSOLE } from './flag.ts'
import type { LibvirtConnection } from './native.ts'

/** Asks libvirt with a deadline, like the other quick calls. */
type Ask = <T>(what: string, ask: (connection: LibvirtConnection) => Promise<T>) => Promise<T>

/** Opens the first console of a domain. One that opens after the deadline is closed again: nobody knows of it. */
export async function openGuestConsole(
  ask: Ask,
  uuid: VmUuid,
  isForced: boolean,
  listener: ConsoleListener,
): Promise<OpenConsole> {
  let isGivenUp = false
  try {
    return await ask(`console of domain ${uuid}`, async (connection) => {
      const stream = await connection.domain(uuid).openConsole(listener, { flags: isForced ? CONSOLE.FORCE : 0 })
      if (isGivenUp) await stream.close()
      return stream
    })
  } catch (error) {
    isGivenUp = true
    throw error
  }
}
