import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseNetDev, readNetDevices } from '../../../../src/adapters/files/net-devices.ts'

/** As Linux 6.1 prints it. */
const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 2045328729 1820206    0    0    0     0          0         0 2045328729 1820206    0    0    0     0       0          0
  eth0:    1500      20    0    0    0     0          0         0     700       9    0    0    0     0       0          0
vmbr100:12       1    0    0    0     0          0         0     34       2    0    0    0     0       0          0
`
let devices: string
beforeEach(async () => {
  devices = await mkdtemp(join(tmpdir(), 'pvc-net-'))
})
afterEach(() => rm(devices, { recursive: true }))

describe('network devices', () => {
  it('are counted in /proc/net/dev', () => {
    const counters = parseNetDev(netDev)
    expect([...counters.keys()]).toEqual(['lo', 'eth0', 'vmbr100'])
    expect(counters.get('eth0')).toEqual({ rxBytes: 1500, rxPackets: 20, txBytes: 700, txPackets: 9 })
    expect(counters.get('vmbr100')).toMatchObject({ rxBytes: 12, txPackets: 2 })
  })

  it('are shown when they are hardware, a bond or a bridge, with speed and state', async () => {
    for (const folder of ['eth0/device', 'vmbr100/bridge', 'lo'])
      await mkdir(join(devices, folder), { recursive: true })
    await writeFile(join(devices, 'eth0/operstate'), 'up\n')
    await writeFile(join(devices, 'eth0/speed'), '10000\n')
    await writeFile(join(devices, 'vmbr100/speed'), '-1\n')
    const counters = join(devices, 'dev')
    await writeFile(counters, netDev)
    const { bridges, interfaces } = await readNetDevices(devices, counters)
    expect(bridges).toEqual(['vmbr100'])
    expect(interfaces).toMatchObject([
      { name: 'eth0', rxBytes: 1500, speedMbps: 10_000, state: 'up' },
      { name: 'vmbr100', txBytes: 34, speedMbps: undefined, state: 'unknown' },
    ])
  })
})
