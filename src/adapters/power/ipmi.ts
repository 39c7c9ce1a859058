/** Power by a BMC, through ipmitool. What it prints is parsed here and nowhere else. */
import type { PowerAccess } from '../../model/power.ts'
import type { PowerAnswer } from '../../ports/power.ts'
import type { Command, CommandOutcome } from '../process/command.ts'
import type { Words } from './words.ts'

export type IpmiAccess = Extract<PowerAccess, { method: 'ipmi' }>
type Exited = Extract<CommandOutcome, { kind: 'exited' }>
export type PowerVerb = 'status' | 'on' | 'off'

/**
 * One login takes about 30 ms when it works and when it is refused; ipmitool says the same words when nobody answers, after the
 * seconds of its own retries. Time is all that tells the two apart.
 */
const REFUSED_WITHIN_MS = 2500
/** Over `lan` a refusal takes three seconds as well, but has words of its own. */
const REFUSALS = /Activate Session command failed|Invalid user name|Error in open session/i

/**
 * The command line. The password goes by environment. `-N 3 -R 1`: 3 s for an answer, and no second sending, which would make a
 * slow BMC act twice. The suite is named, because finding out takes ten seconds.
 */
export function ipmiCommand(access: IpmiAccess, verb: PowerVerb): Pick<Command, 'file' | 'args' | 'env'> {
  const suite = access.interface === 'lanplus' ? ['-C', String(access.cipherSuite)] : []
  const login = ['-I', access.interface, '-H', access.host, '-U', access.user, '-E', ...suite, '-N', '3', '-R', '1']
  return {
    file: 'ipmitool',
    args: [...login, 'chassis', 'power', verb],
    env: { IPMI_PASSWORD: access.password },
  }
}

/** What ipmitool's end says about the machine, in `words` without secrets. Anything not understood is a failure, never evidence. */
export function parseIpmi(verb: PowerVerb, outcome: Exited, words: Words): PowerAnswer {
  const { exitCode, stdout, stderr, durationMs } = outcome
  if (exitCode === 0) {
    const answer = verb === 'status' ? statusOf(stdout) : acceptedOf(verb, stdout)
    return answer ?? { kind: 'failed', reason: `ipmitool printed something unknown: ${words(stdout)}` }
  }
  const said = words(stderr) || `exit code ${exitCode}`
  if (/Address lookup .* failed|Could not open socket/i.test(stderr)) return { kind: 'unreachable', reason: said }
  if (/Unable to establish (IPMI|LAN)/i.test(stderr)) {
    const isRefused = durationMs < REFUSED_WITHIN_MS || REFUSALS.test(stderr)
    if (!isRefused) return { kind: 'unreachable', reason: 'the BMC does not answer' }
    return { kind: 'refused', reason: `the BMC refuses the login (${said}): look at user, password and cipher suite` }
  }
  if (/^Unable to (get|set) Chassis Power/m.test(stderr)) {
    return { kind: 'unreachable', reason: 'the BMC took the command and did not answer in time; it may act late' }
  }
  return { kind: 'failed', reason: `the BMC reports an error: ${said}` }
}

function statusOf(stdout: string): PowerAnswer | undefined {
  const state = /^Chassis Power is (on|off)\s*$/m.exec(stdout)?.[1]
  return state === 'on' || state === 'off' ? { kind: state } : undefined
}

function acceptedOf(verb: PowerVerb, stdout: string): PowerAnswer | undefined {
  const wanted = verb === 'off' ? 'Down/Off' : 'Up/On'
  return stdout.includes(`Chassis Power Control: ${wanted}`) ? { kind: 'accepted' } : undefined
}
