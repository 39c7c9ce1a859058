/** VFs of network cards, as /sys tells of them. */
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PvcError } from '../../model/errors.ts'
import { type FunctionSlot, PCI_ADDRESS } from '../../model/sriov.ts'
import type { SriovCards } from '../../ports/sriov.ts'
import { unlessGone } from '../files/atomic-file.ts'

/** `netDir`: where the devices are; a parameter for tests. */
export function createSriovCards(netDir = '/sys/class/net'): SriovCards {
  const deviceDir = (pf: string): string => join(netDir, pf, 'device')
  return {
    async slots(pf) {
      const dir = deviceDir(pf)
      const total = await unlessGone(readFile(join(dir, 'sriov_totalvfs'), 'utf8'))
      if (total === undefined) return undefined
      const numbers = (await readdir(dir)).flatMap((name) => /^virtfn(\d+)$/.exec(name)?.[1] ?? [])
      const slots = await Promise.all(numbers.map((number) => readSlot(dir, Number(number))))
      return { possible: Number(total), slots: slots.flat().sort((a, b) => a.index - b.index) }
    },
    async create(pf, count) {
      try {
        await writeFile(join(deviceDir(pf), 'sriov_numvfs'), String(count))
      } catch (error) {
        throw new PvcError('PVC_NETWORK_FAILED', `${pf} makes no ${count} virtual functions`, { cause: error })
      }
    },
  }
}

/** None, when the VF vanished meanwhile. */
async function readSlot(dir: string, index: number): Promise<readonly FunctionSlot[]> {
  const target = await unlessGone(readlink(join(dir, `virtfn${index}`)))
  const pci = basename(target ?? '')
  if (!PCI_ADDRESS.test(pci)) return []
  const devices = (await unlessGone(readdir(join(dir, `virtfn${index}`, 'net')))) ?? []
  return [{ index, pci, device: devices[0] }]
}
