/** DHCP servers start and end in the order in which that was asked for. */
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createDnsmasq } from '../../../../src/adapters/dnsmasq/dnsmasq.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { MacAddress } from '../../../../src/model/network.ts'
import type { DhcpServer, LeaseBook } from '../../../../src/ports/dhcp.ts'
import type { Program, Programs, RunningProgram } from '../../../../src/ports/programs.ts'
import { managedNetwork } from '../../coordinator/network/network-world.ts'

/** Programs that end only when the test says so. */
class SlowPrograms implements Programs {
  readonly alive = new Set<string>()
  readonly #ending: (() => void)[] = []

  run({ name }: Program): RunningProgram {
    this.alive.add(name)
    const stop = () =>
      new Promise<void>((resolve) => {
        this.#ending.push(() => {
          this.alive.delete(name)
          resolve()
        })
      })
    return { problem: () => undefined, readAgain: () => undefined, stop }
  }

  get ending(): number {
    return this.#ending.length
  }

  end(): void {
    for (const finish of this.#ending.splice(0)) finish()
  }
}

const BOOK: LeaseBook = { read: async () => ({ leases: [], serverDuid: undefined }), note: () => undefined }
const SERVER: DhcpServer = { network: managedNetwork(100), mtu: 1450, reservations: [] }

let runDir: string
beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), 'pvc-dnsmasq-'))
})
afterEach(() => rm(runDir, { recursive: true, force: true }))

function create() {
  const programs = new SlowPrograms()
  const settings = { runDir, script: '/bin/true', forwarders: [], nameServer: { address: '127.0.0.1', port: 5353 } }
  const servers = createDnsmasq({ ...settings, programs, log: new FakeLog() })
  return { programs, servers, keep: () => servers.keep([SERVER], [], BOOK, () => undefined) }
}

const socketIsOpen = () =>
  access(join(runDir, 'dhcp.sock')).then(
    () => true,
    () => false,
  )

it('a second stop is over only when the first has ended every server, which can speak until then', async () => {
  const { programs, servers, keep } = create()
  await keep()
  const over: string[] = []
  const stops = ['first', 'second'].map(async (name) => {
    await servers.stop()
    over.push(name)
  })
  await expect.poll(() => programs.ending).toBe(1)
  // What is asked for meanwhile waits as well: by its answer both stops had their chance.
  const again = keep()
  expect(over).toEqual([])
  expect(await socketIsOpen()).toBe(true)
  programs.end()
  await Promise.all(stops)
  await again
  expect(over).toEqual(['first', 'second'])
  expect(programs.alive.size).toBe(1)
})

it('a stop ends the servers that were being started when it was asked for', async () => {
  const { programs, servers, keep } = create()
  const kept = keep()
  const stopped = servers.stop()
  await kept
  await expect.poll(() => programs.ending).toBe(1)
  programs.end()
  await stopped
  expect(programs.alive).toEqual(new Set())
  expect(await socketIsOpen()).toBe(false)
})

it('a stop also ends the servers that were still being started when another one could not be', async () => {
  const { programs, servers } = create()
  const other: DhcpServer = { ...SERVER, network: managedNetwork(101) }
  // A file where the directory of its reservations would be.
  await mkdir(join(runDir, 'dhcp'), { recursive: true })
  await writeFile(join(runDir, 'dhcp', '100'), '')
  const reservations = Array.from({ length: 50 }, (_, index) => ({
    mac: MacAddress.parse(`52:54:00:00:00:${index.toString(16).padStart(2, '0')}`),
    address: `10.0.101.${index + 10}`,
    hostname: `host${index}`,
  }))
  const kept = servers.keep([SERVER, { ...other, reservations }], [], BOOK, () => undefined)
  const stopped = servers.stop()
  await expect(kept).rejects.toThrow(/EEXIST|ENOTDIR/)
  await expect.poll(() => programs.ending).toBe(1)
  programs.end()
  await stopped
  expect(programs.alive).toEqual(new Set())
})
