import { type LibvirtConnection, openConnection } from '../../../src/adapters/libvirt/native.ts'
import { pollUntil } from '../../lab/poll.ts'

/** libvirt's driver inside this process: no daemon, a world of its own with one running domain called `test`. */
export const TEST_URI = 'test:///default'
export const TEST_DOMAIN = '6695eb01-f6a4-8304-79aa-97f2502e193f'

/** A UUID that names nothing, different for each number. */
export function strangerUuid(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
}

/** The smallest definition the driver takes. */
export function testDomainXml(name: string, uuid: string): string {
  return `<domain type='test'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>`
}

export async function withConnection<T>(use: (connection: LibvirtConnection) => Promise<T>): Promise<T> {
  const connection = await openConnection(TEST_URI)
  try {
    return await use(connection)
  } finally {
    await connection.close()
  }
}

/** Looks at a level until it holds. @throws Error with what was seen last after `timeoutMs`. */
export function eventually<T>(what: string, look: () => T | undefined | false, timeoutMs = 10_000): Promise<T> {
  return pollUntil({ what, timeoutMs, intervalMs: 5 }, async () => look())
}
