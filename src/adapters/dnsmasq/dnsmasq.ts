/** DHCP servers as one dnsmasq per network, kept running, their leases in the book of whoever keeps them. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Limiter } from '../../base/limiter.ts'
import type { DhcpReservation } from '../../model/network.ts'
import type { DhcpServer, DhcpServers, LeaseBook } from '../../ports/dhcp.ts'
import type { Log } from '../../ports/log.ts'
import type { Programs, RunningProgram } from '../../ports/programs.ts'
import { writeFileAtomic } from '../files/atomic-file.ts'
import { type DnsmasqSettings, dnsmasqArguments, reservationLine, zonesText } from './arguments.ts'
import { type LeaseSocket, openLeaseSocket } from './lease-socket.ts'

export type DnsmasqOptions = Pick<DnsmasqSettings, 'script' | 'forwarders'> & {
  /** Private directory for the socket and the reservations. */
  readonly runDir: string
  /** Where our own name server answers. */
  readonly nameServer: { readonly address: string; readonly port: number }
  readonly programs: Programs
  readonly log: Log
}

type Running = { readonly key: string; readonly program: RunningProgram; reservations: ReadonlyMap<string, string> }

/** Its calls work one after another: a stop ends what an earlier `keep` starts, and is over only when all of it is gone. */
export function createDnsmasq(options: DnsmasqOptions): DhcpServers {
  const { runDir, programs, log, script, forwarders } = options
  const socketPath = join(runDir, 'dhcp.sock')
  const zonesFile = join(runDir, 'dhcp-zones.conf')
  let zonesNow: string | undefined
  const running = new Map<number, Running>()
  const turns = new Limiter(1)
  let socket: LeaseSocket | undefined
  let book: LeaseBook | undefined
  const reservationDir = (vni: number) => join(runDir, 'dhcp', String(vni))

  const end = async (vni: number): Promise<void> => {
    const entry = running.get(vni)
    running.delete(vni)
    await entry?.program.stop()
    await rm(reservationDir(vni), { recursive: true, force: true })
  }

  const keepOne = async (server: DhcpServer, args: readonly string[], onChange: () => void): Promise<void> => {
    const { vni } = server.network
    const dir = reservationDir(vni)
    const key = JSON.stringify(args)
    const present = running.get(vni)
    if (present !== undefined && present.key !== key) await end(vni)
    const same = running.get(vni)
    if (same === undefined) await emptyDirectory(dir)
    const reservations = filesOf(server.reservations)
    const isGone = await writeReservations(dir, same?.reservations ?? new Map(), reservations)
    if (same !== undefined) {
      same.reservations = reservations
      // New and changed files are noticed by dnsmasq itself.
      if (isGone) same.program.readAgain()
      return
    }
    const env = { PVC_NETWORK: String(vni), PVC_LEASE_SOCKET: socketPath }
    const program = programs.run({ name: `dnsmasq of network ${vni}`, file: 'dnsmasq', args, env }, onChange)
    running.set(vni, { key, program, reservations })
  }

  const putZones = async (text: string): Promise<void> => {
    if (text === zonesNow) return
    await writeFileAtomic(zonesFile, text, false)
    zonesNow = text
    for (const { program } of running.values()) program.readAgain()
  }

  const keep: DhcpServers['keep'] = async (servers, zones, newBook, onChange) => {
    book = newBook
    if (socket === undefined) {
      await mkdir(runDir, { recursive: true, mode: 0o700 })
      socket = await openLeaseSocket(socketPath, () => book, log)
    }
    const wanted = new Set(servers.map(({ network }) => network.vni as number))
    await putZones(zonesText(zones, options.nameServer))
    const settings = { script, forwarders, zonesFile }
    await allOf([...running.keys()].filter((vni) => !wanted.has(vni)).map(end))
    await allOf(
      servers.map((server) => {
        const dir = reservationDir(server.network.vni)
        return keepOne(server, dnsmasqArguments(server, { ...settings, reservationDir: dir }), onChange)
      }),
    )
  }

  const stop = async (): Promise<void> => {
    await allOf([...running.keys()].map(end))
    await socket?.close()
    socket = undefined
    book = undefined
  }

  return {
    keep: (servers, zones, newBook, onChange) => turns.run(() => keep(servers, zones, newBook, onChange)),
    problems: () =>
      [...running].flatMap(([vni, { program }]) => {
        const message = program.problem()
        return message === undefined ? [] : [{ vni, message }]
      }),
    stop: () => turns.run(stop),
  }
}

/** Waits for all, also when one fails: none may be under way when the next turn begins. @throws the first failure */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) if (result.status === 'rejected') throw result.reason
}

/** Name and text of the file of each reservation. */
function filesOf(reservations: readonly DhcpReservation[]): ReadonlyMap<string, string> {
  return new Map(reservations.map((each) => [each.mac.replaceAll(':', '-'), reservationLine(each)]))
}

async function emptyDirectory(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  for (const name of await readdir(dir)) await rm(join(dir, name), { force: true })
}

/** @returns whether one is gone, which dnsmasq does not notice */
async function writeReservations(
  dir: string,
  before: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): Promise<boolean> {
  const gone = [...before.keys()].filter((name) => !wanted.has(name))
  for (const name of gone) await rm(join(dir, name), { force: true })
  for (const [name, text] of wanted) if (before.get(name) !== text) await writeFileAtomic(join(dir, name), text, false)
  return gone.length > 0
}
