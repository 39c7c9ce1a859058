import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { AddressRecord } from '../../ports/address-record.ts'
import { unlessGone, writeFileAtomic } from '../files/atomic-file.ts'

const Addresses = z.array(
  z.object({ address: z.string(), prefix: z.number(), device: z.string(), isGateway: z.literal(true).optional() }),
)

/** The record as a file below `runDir`, which a boot empties: of the primary's gateways, or of those that every node has. */
export function createAddressRecord(runDir: string, name: 'gateways' | 'anycast-gateways'): AddressRecord {
  const file = join(runDir, `${name}.json`)
  return {
    async read() {
      const text = await unlessGone(readFile(file, 'utf8'))
      if (text === undefined) return []
      return Addresses.parse(JSON.parse(text)).map(({ isGateway, ...rest }) =>
        isGateway ? { ...rest, isGateway } : rest,
      )
    },
    write: (addresses) => writeFileAtomic(file, `${JSON.stringify(addresses)}\n`, false),
  }
}
