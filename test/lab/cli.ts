/** `npm run -s lab -- COMMAND`: the lab from a shell. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { baseEnv } from './command.ts'
import { clientEnv } from './daemons.ts'
import { type BmcFault, bmcFaults, type PowerAction } from './host.ts'
import { endInstance, findInstance, instanceNames, intoHost, intoRoom } from './instance.ts'
import { attachLab, type Lab, startLab } from './lab.ts'
import { type Layout, labSourceDir, type NetworkName, networkNames, repoDir } from './plan.ts'

const program = new Command('lab')
  .description('A whole cluster on this machine: hosts in namespaces, real ZooKeeper, Ceph, libvirt and guests.')
  .option('--name <name>', 'instance; several can be up at once', process.env['PVC_LAB_NAME'] ?? 'default')
  .enablePositionalOptions()

const name = (): string => program.opts<{ name: string }>().name
const lab = (): Lab => attachLab(name())

/** Runs a command on the caller's terminal; its exit code becomes ours. */
function terminal(argv: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const [file = '', ...args] = argv
  const term = { TERM: process.env['TERM'] ?? 'dumb' }
  const child = spawn(file, args, { stdio: 'inherit', env: { ...baseEnv, ...term, ...env } })
  // Ctrl-C is the child's to handle; we end with it.
  process.on('SIGINT', () => undefined)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      process.exitCode = code ?? 1
      resolve()
    })
  })
}

function oneOf<T extends string>(what: string, given: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === given)
  if (found === undefined) throw new Error(`${what} ${given}: one of ${allowed.join(', ')}`)
  return found
}

const network = (given: string | undefined): NetworkName | undefined =>
  given === undefined ? undefined : oneOf('network', given, networkNames)

type UpFlags = { hosts: string; layout: string; daemons: boolean }

async function up(flags: UpFlags): Promise<void> {
  let interrupted = false
  // Killing what there is makes the building fail, and its own clean-up removes what came in between.
  const stop = (): void => {
    interrupted = true
    endInstance(name()).catch((error: unknown) => console.error(error))
  }
  // Not `once`: with our listener gone, the library that runs commands would end this process before the clean-up.
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const layout: Layout = oneOf('layout', flags.layout, ['central', 'hyperconverged'])
  const hosts = Number(flags.hosts)
  const start = performance.now()
  try {
    const { daemons } = flags
    await startLab({ name: name(), hosts, layout, daemons, tied: false, say: (line) => console.log(line) })
  } catch (error) {
    if (!interrupted) throw error
    console.error('interrupted: the lab is down')
    process.exit(130) // commands that are still on their way would keep us for seconds
  }
  const took = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`lab ${name()} is up after ${took} s. Next: lab status; lab sh hv1; lab pvc node list; lab down`)
}

async function down(flags: { all?: boolean }): Promise<void> {
  for (const each of flags.all === true ? instanceNames() : [name()]) {
    const start = performance.now()
    await endInstance(each)
    console.log(`lab ${each} is down after ${((performance.now() - start) / 1000).toFixed(2)} s`)
  }
}

async function status(): Promise<void> {
  const { instance, hosts, sh, ceph } = lab()
  console.log(`lab ${instance.name}  ${instance.layout}  ${instance.dir}  pid ${instance.pid}`)
  const row = (host: string, what: string, state: string, rest = ''): void =>
    console.log(`${host.padEnd(6)}${what.padEnd(14)}${state.padEnd(6)}${rest}`)
  row('HOST', 'SERVICE', 'STATE', 'PID, RESTARTS')
  const room = await sh(['bash', join(labSourceDir, 'init/svc.sh'), 'status'], { timeoutMs: 5000 })
  for (const line of room.stdout.trim().split('\n')) {
    const [service = '', state = '', pid = '', restarts = ''] = line.split('\t')
    row('root', service, state, `${pid}, ${restarts}`)
  }
  for (const host of hosts) {
    if (!(await host.isOn())) {
      row(host.name, '-', 'off')
      continue
    }
    for (const s of await host.services()) row(host.name, s.name, s.state, `${s.pid ?? '-'}, ${s.restarts}`)
    const guests = await host.sh(['virsh', '-q', 'list', '--all'], { timeoutMs: 5000, allowFailure: true })
    for (const line of guests.stdout.trim().split('\n')) if (line !== '') row(host.name, 'guest', '', line.trim())
  }
  const health = await ceph(['health'], { timeoutMs: 15_000, allowFailure: true })
  console.log(`ceph: ${health.stdout.trim() || health.stderr.trim()}`)
}

async function shell(host: string, argv: readonly string[]): Promise<void> {
  const { instance, dir } = lab()
  const into = host === 'root' ? intoRoom(instance) : intoHost(instance, lab().host(host).index)
  const command = argv.length === 0 ? ['bash'] : argv
  // In a host, `pvc` finds its machine's own API and token; in the machine room it needs the lab's connection.
  const env = host === 'root' ? { ...clientEnv(instance), CEPH_CONF: join(dir, 'ceph/ceph.conf') } : {}
  await terminal([...into, ...command], env)
}

async function inRoom(argv: readonly string[]): Promise<void> {
  await shell('root', argv)
}

function logs(
  host: string | undefined,
  service: string | undefined,
  flags: { follow?: boolean },
): Promise<void> | undefined {
  const { dir, hosts } = lab()
  const folders = [
    { name: 'root', folder: join(dir, 'root/log') },
    ...hosts.map((each) => ({ name: each.name, folder: join(each.dir, 'log/pvc') })),
  ].filter((each) => host === undefined || each.name === host)
  const files = folders
    .filter(({ folder }) => existsSync(folder))
    .flatMap(({ folder }) => readdirSync(folder).map((file) => join(folder, file)))
    .filter((file) => service === undefined || file.endsWith(`/${service}.log`))
  if (service === undefined && flags.follow !== true) {
    for (const file of files) console.log(file)
    return undefined
  }
  return terminal(['tail', '-n', '50', ...(flags.follow === true ? ['-F'] : []), ...files])
}

/** Runs the lab's stories; `repeat` times, stopping at the first failure. */
async function stories(patterns: readonly string[], flags: { repeat: string }): Promise<void> {
  for (let run = 1; run <= Number(flags.repeat); run++) {
    console.log(`stories, run ${run} of ${flags.repeat}`)
    const vitest = join(repoDir, 'node_modules/vitest/vitest.mjs')
    const env = Object.fromEntries(Object.entries(process.env).map(([key, value]) => [key, value ?? '']))
    await terminal([process.execPath, vitest, 'run', '--project', 'lab', ...patterns], env)
    if (process.exitCode !== 0) return
  }
}

program
  .command('up')
  .description('build and start')
  .option('--hosts <n>', 'hypervisors, 1 to 5', '3')
  .option('--layout <layout>', 'central: Ceph beside the hosts; hyperconverged: a monitor and OSD in each', 'central')
  .option('--no-daemons', 'without pvcnoded and pvcapid')
  .action(up)
program.command('down').description('end it, leaving nothing').option('--all', 'every instance').action(down)
program.command('status').description('hosts, services, guests').action(status)
program
  .command('sh <host> [command...]')
  .description(
    'run a command in a host (hv1...) or in the machine room (root); without one, a shell. svc steers services',
  )
  .passThroughOptions()
  .allowUnknownOption()
  .action(shell)
program
  .command('power <host> <action>')
  .description('on, off (cables first), crash (cables stay), reset')
  .action((host: string, action: string) => {
    const wanted: PowerAction = oneOf('action', action, ['on', 'off', 'crash', 'reset'])
    return lab().host(host).power(wanted)
  })
program
  .command('bmc <host> <fault> <on|off>')
  .description(`make a BMC bad: ${bmcFaults.join(', ')}`)
  .action((host: string, fault: string, state: string) => {
    const wanted: BmcFault = oneOf('fault', fault, bmcFaults)
    return lab()
      .host(host)
      .bmc({ [wanted]: state === 'on' })
  })
program
  .command('isolate <host> [network]')
  .description(`pull a cable: ${networkNames.join(', ')}; without a network all but the BMC's`)
  .action((host: string, given?: string) => lab().isolate(host, network(given)))
program
  .command('heal <host> [network]')
  .description('plug it in again')
  .action((host: string, given?: string) => lab().heal(host, network(given)))
program
  .command('logs [host] [service]')
  .description('list the log files, or show the end of one service')
  .option('-f, --follow', 'go on showing')
  .action(logs)
program
  .command('collect <folder>')
  .description('copy all logs and settings, without keys and disks')
  .action((folder: string) => lab().collect(folder))
for (const tool of ['ceph', 'rbd', 'ipmitool']) {
  program
    .command(`${tool} [arguments...]`)
    .description(`${tool} in the machine room`)
    .passThroughOptions()
    .allowUnknownOption()
    .helpOption(false)
    .action((given: string[]) => inRoom([tool, ...given]))
}
program
  .command('pvc [arguments...]')
  .description('the pvc command line against this lab')
  .passThroughOptions()
  .allowUnknownOption()
  .helpOption(false)
  .action((given: string[]) => inRoom([process.execPath, join(repoDir, 'dist/cli/pvc.cjs'), ...given]))
program
  .command('guest-xml <vm> <volume>')
  .description('print the domain XML of a lab guest on pool/volume')
  .option('--uuid <uuid>', 'default: random')
  .option('--machine <machine>', 'q35 or pc', 'q35')
  .option('--agent', 'with the guest agent')
  .action(async (vm: string, volume: string, flags: { uuid?: string; machine: string; agent?: boolean }) => {
    const machine = oneOf('machine', flags.machine, ['q35', 'pc'])
    const uuid = flags.uuid ?? crypto.randomUUID()
    process.stdout.write(await lab().guestXml({ name: vm, uuid, volume, machine, agent: flags.agent === true }))
  })
program
  .command('serial <host> <vm>')
  .description("path of a guest's serial log")
  .action((host: string, vm: string) => console.log(lab().host(host).serialLog(vm)))
program
  .command('list')
  .description('instances on this machine')
  .action(() => {
    for (const each of instanceNames()) console.log(`${each}\t${findInstance(each) === undefined ? 'dead' : 'up'}`)
  })
program
  .command('story [pattern...]', { isDefault: true })
  .description('run the stories; this is the default')
  .option('--repeat <n>', 'so many times', '1')
  .action(stories)

try {
  await program.parseAsync()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
