/** What a story can do to one host. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunOptions, type RunResult, run } from './command.ts'
import { type Instance, intoHost, runInRoom } from './instance.ts'
import { bmcAddress, hostAddress, hostDir, hostName, labSourceDir, type NetworkName, networkNames } from './plan.ts'
import { pollUntil } from './poll.ts'

/** off: cables first, then the machine (silence). crash: machine only, its kernel's last packets still get out. */
export type PowerAction = 'on' | 'off' | 'crash' | 'reset'
/** stop = SIGTERM, bounded, stays down; kill = SIGKILL, restarted by the host after 500 ms; pause/resume = SIGSTOP/SIGCONT. */
export type ServiceAction = 'start' | 'stop' | 'restart' | 'kill' | 'pause' | 'resume'
/** Ways a BMC can misbehave: says yes and does nothing (and even says off then: pretend), refuses, or answers after 3 s. */
export const bmcFaults = ['lie', 'pretend', 'fail', 'slow', 'reset', 'dead', 'wrong-password'] as const
export type BmcFault = (typeof bmcFaults)[number]
/** State of a service; `restarts` counts its ends since the host booted, `pid` is inside the host. */
export type ServiceState = {
  name: string
  state: 'up' | 'down' | 'wait' | '?'
  pid: number | undefined
  restarts: number
}

/** One host of a lab. All calls have deadlines; a host that is off rejects `sh` and `service`. */
export type Host = {
  name: string
  index: number
  /** Its folder outside: log/, fs/etc/…, boot_id. */
  dir: string
  address(network: NetworkName): string
  bmcAddress: string
  /** Runs argv inside the host; rejects on a non-zero exit unless `allowFailure`. */
  sh(argv: readonly string[], options?: RunOptions): Promise<RunResult>
  /** `on` and `reset` return when the host's services have been started (not when they serve). */
  power(action: PowerAction): Promise<void>
  isOn(): Promise<boolean>
  service(name: string, action: ServiceAction): Promise<void>
  services(): Promise<ServiceState[]>
  /** Pulls the cable of one network, or of all but the BMC's. */
  isolate(network?: NetworkName): Promise<void>
  heal(network?: NetworkName): Promise<void>
  bmc(faults: Partial<Record<BmcFault, boolean>>): Promise<void>
  /** Path outside of a service's log. */
  log(service: string): string
  /** Path outside of the serial log libvirt writes for a guest defined with guestXml. */
  serialLog(vm: string): string
  bootId(): string
}

function parseServices(text: string): ServiceState[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', state = '?', pid = '-', restarts = '0'] = line.split('\t')
      const known = state === 'up' || state === 'down' || state === 'wait' ? state : '?'
      return { name, state: known, pid: pid === '-' ? undefined : Number(pid), restarts: Number(restarts) }
    })
}

/** Sets the switches that chassis.sh looks at; a BMC that is dead or has another password is another process. */
async function setBmcFaults(
  instance: Instance,
  name: string,
  faults: Partial<Record<BmcFault, boolean>>,
): Promise<void> {
  const switches = join(instance.dir, 'bmc', name)
  mkdirSync(switches, { recursive: true })
  for (const [fault, wanted] of Object.entries(faults)) {
    if (wanted) writeFileSync(join(switches, fault), '')
    else rmSync(join(switches, fault), { force: true })
  }
  if (faults.dead === undefined && faults['wrong-password'] === undefined) return
  const action = existsSync(join(switches, 'dead')) ? 'stop' : 'restart'
  const argv = ['bash', join(labSourceDir, 'init/svc.sh'), action, `bmc-${name}`]
  await runInRoom(instance, argv, { timeoutMs: 20_000 })
}

/** Handle of host number `index` of a running instance. */
export function createHost(instance: Instance, index: number): Host {
  const name = hostName(index)
  const dir = hostDir(instance.dir, index)
  const powerSwitch = (action: string): Promise<RunResult> =>
    runInRoom(instance, ['bash', join(labSourceDir, 'init/power.sh'), instance.dir, name, action], {
      timeoutMs: 30_000,
    })
  const sh: Host['sh'] = async (argv, options) => run(intoHost(instance, index), argv, options)
  const cables = async (networks: readonly NetworkName[], state: 'up' | 'down'): Promise<void> => {
    for (const network of networks) {
      const mark = join(dir, 'isolated', network)
      if (state === 'down') writeFileSync(mark, '')
      else rmSync(mark, { force: true })
      // A host that is off has no cables; power.sh reads the mark when it comes on.
      if (await host.isOn())
        await runInRoom(instance, ['ip', 'link', 'set', `${name}-${network}`, state], { timeoutMs: 5000 })
    }
  }
  const named = (network: NetworkName | undefined): readonly NetworkName[] =>
    network === undefined ? networkNames.filter((each) => each !== 'bmc') : [network]
  const host: Host = {
    name,
    index,
    dir,
    address: (network) => hostAddress(network, index),
    bmcAddress: bmcAddress(index),
    sh,
    power: async (action) => {
      await powerSwitch(action)
      if (action === 'off' || action === 'crash') return
      const log = join(dir, 'log/init.log')
      await pollUntil({ what: `${name} booted (log: ${log})`, timeoutMs: 15_000, intervalMs: 20 }, async () =>
        existsSync(join(dir, 'ready')),
      )
    },
    isOn: async () => (await powerSwitch('status')).stdout.trim() === 'on',
    service: async (service, action) => {
      await sh(['svc', action, service], { timeoutMs: 20_000 })
    },
    services: async () => parseServices((await sh(['svc', 'status'], { timeoutMs: 5000 })).stdout),
    isolate: (network) => cables(named(network), 'down'),
    heal: (network) => cables(named(network), 'up'),
    bmc: (faults) => setBmcFaults(instance, name, faults),
    log: (service) => join(dir, 'log/pvc', `${service}.log`),
    serialLog: (vm) => join(dir, 'log/libvirt/qemu', `${vm}-serial.log`),
    bootId: () => readFileSync(join(dir, 'boot_id'), 'utf8').trim(),
  }
  return host
}
