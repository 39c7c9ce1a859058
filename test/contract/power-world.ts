/** Power controllers to test against: ipmitool on a simulated BMC, commands of an operator, the fake. Each with one machine. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakePower, type PowerFlaw } from '../../src/adapters/fake/power.ts'
import { createPower } from '../../src/adapters/power/power-switch.ts'
import { runCommand } from '../../src/adapters/process/command.ts'
import type { PowerAccess } from '../../src/model/power.ts'
import type { Power } from '../../src/ports/power.ts'
import { pollUntil } from '../lab/poll.ts'

export type PowerWorld = {
  readonly power: Power
  readonly access: PowerAccess
  /** What the machine really is. */
  isOn(): boolean
  /** How often the machine was told to be on or off, whatever came of it. */
  commands(): readonly string[]
  flaw(flaw: PowerFlaw | undefined): void
  close(): Promise<void>
}

/** The machine behind a controller: a folder with its state, its history, and the flaw its controller has. */
const MACHINE = `#!/bin/bash
# machine.sh DIR on|off|status
for fd in 3 4 5 6 7 8 9 10 11 12; do eval "exec $fd>&-"; done
dir=$1 flaw=$(cat "$1/flaw")
if [ "$2" = status ]; then cat "$dir/state"; exit 0; fi
[ "$flaw" = slow ] && read -r -t 3 <> <(:)
echo "$2" >>"$dir/commands"
case $flaw in
fail) echo "chassis on fire" >&2; exit 1 ;;
lie) ;;
reset) echo on >"$dir/state" ;;
*) echo "$2" >"$dir/state" ;;
esac
exit 0
`

const CHASSIS = `#!/bin/bash
# chassis.sh DIR [0xMC] get|set|check PARAM [VALUE]...
here=$(dirname "$0") dir=$1
shift
case $1 in 0x*) shift ;; esac
operation=$1
shift
[ "$operation" = get ] && { [ "$("$here/machine.sh" "$dir" status)" = on ] && echo power:1 || echo power:0; exit 0; }
[ "$operation" = set ] || exit 0
case $1=$2 in
power=0) exec "$here/machine.sh" "$dir" off ;;
power=1) exec "$here/machine.sh" "$dir" on ;;
esac
exit 1
`

function machineFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'pvc-power-'))
  const put = (name: string, text: string): void => writeFileSync(join(dir, name), text, { mode: 0o755 })
  put('machine.sh', MACHINE)
  put('chassis.sh', CHASSIS)
  put('state', 'on\n')
  put('flaw', '')
  put('commands', '')
  return dir
}

function machineOf(dir: string) {
  const read = (name: string): string => readFileSync(join(dir, name), 'utf8').trim()
  return {
    isOn: () => read('state') === 'on',
    commands: () => read('commands').split('\n').filter(Boolean),
    set: (flaw: string) => writeFileSync(join(dir, 'flaw'), flaw),
  }
}

/** The operator's own commands. */
export async function commandWorld(): Promise<PowerWorld> {
  const dir = machineFolder()
  const machine = machineOf(dir)
  const script = join(dir, 'login.sh')
  const login = `#!/bin/bash
case $(cat "$1/flaw") in dead) read -r -t 60 <> <(:) ;; esac
[ "$TOKEN" = "let-me-in" ] || { echo "token $TOKEN is wrong for $3" >&2; exit 5; }
"$1/machine.sh" "$1" "$2"
`
  writeFileSync(script, login, { mode: 0o755 })
  const argv = (verb: string) => [script, dir, verb, '{node}']
  return {
    power: createPower(runCommand),
    access: {
      method: 'command',
      on: argv('on'),
      off: argv('off'),
      status: argv('status'),
      environment: { TOKEN: 'let-me-in' },
    },
    isOn: machine.isOn,
    commands: machine.commands,
    flaw: (flaw) => machine.set(flaw ?? ''),
    close: async () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** A simulated BMC on an address of its own in 127.0.0.0/8; port 623 needs root. */
export async function ipmiWorld(): Promise<PowerWorld> {
  const dir = machineFolder()
  const machine = machineOf(dir)
  const address = `127.${process.pid & 255}.${(process.pid >> 8) & 255}.${2 + (Math.floor(performance.now()) % 250)}`
  mkdirSync(join(dir, 'sim'))
  const auths = ['callback', 'user', 'operator', 'admin'].map((who) => `allowed_auths_${who} none md2 md5 straight`)
  writeFileSync(
    join(dir, 'lan.conf'),
    `name "test"
set_working_mc 0x20
  startlan 1
    addr ${address} 623
    priv_limit admin
    ${auths.join('\n    ')}
    guid a123456789abcdefa123456789abcd01
  endlan
  chassis_control "${dir}/chassis.sh ${dir} 0x20"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "ipmi" "secret-of-bmc" admin 10 none md2 md5 straight
`,
  )
  writeFileSync(
    join(dir, 'mc.emu'),
    'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\nmc_enable 0x20\n',
  )
  const files = ['-c', join(dir, 'lan.conf'), '-f', join(dir, 'mc.emu'), '-s', join(dir, 'sim')]
  const sim: ChildProcess = spawn('setpriv', ['--pdeathsig', 'KILL', 'ipmi_sim', '-n', '-p', ...files], {
    stdio: 'ignore',
  })
  const access: PowerAccess = {
    method: 'ipmi',
    host: address,
    user: 'ipmi',
    password: 'secret-of-bmc',
    interface: 'lanplus',
    cipherSuite: 3,
  }
  const power = createPower(runCommand)
  await pollUntil({ what: 'ipmi_sim answers', timeoutMs: 15_000, intervalMs: 100 }, async () => {
    const call = { node: 'hv1', deadlineMs: 2000, signal: new AbortController().signal }
    return (await power.status(access, call)).kind === 'on'
  })
  return {
    power,
    access,
    isOn: machine.isOn,
    commands: machine.commands,
    flaw: (flaw) => {
      sim.kill(flaw === 'dead' ? 'SIGSTOP' : 'SIGCONT')
      machine.set(flaw === undefined || flaw === 'dead' ? '' : flaw)
    },
    async close() {
      const ended = new Promise((resolve) => sim.once('exit', resolve))
      sim.kill('SIGKILL')
      await ended
      if (existsSync(dir)) rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The fake, on the system's clock. */
export async function fakeWorld(): Promise<PowerWorld> {
  const power = new FakePower(createSystemClock())
  return {
    power,
    access: {
      method: 'ipmi',
      host: 'h',
      user: 'ipmi',
      password: 'secret-of-bmc',
      interface: 'lanplus',
      cipherSuite: 3,
    },
    isOn: () => power.isOn('hv1'),
    commands: () => power.actions.map((action) => action.split(' ')[1] ?? ''),
    flaw: (flaw) => power.flaw('hv1', flaw),
    close: async () => undefined,
  }
}
