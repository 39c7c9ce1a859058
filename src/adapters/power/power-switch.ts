/** Switches power: by ipmitool, or by commands of the operator's. One attempt per call. */
import { unreachable } from '../../base/assert.ts'
import type { PowerAccess } from '../../model/power.ts'
import type { Power, PowerAnswer, PowerCall } from '../../ports/power.ts'
import type { Command, RunCommand } from '../process/command.ts'
import { ipmiCommand, type PowerVerb, parseIpmi } from './ipmi.ts'
import { type Words, wordsWithout } from './words.ts'

type CommandAccess = Extract<PowerAccess, { method: 'command' }>

/** More than a page of text from such a program is no answer. */
const MAX_OUTPUT_BYTES = 64 * 1024

/** Creates the switch. @param run runs programs; they and their children are killed at the deadline and by `signal` */
export function createPower(run: RunCommand): Power {
  const attempt = async (verb: PowerVerb, access: PowerAccess, call: PowerCall): Promise<PowerAnswer> => {
    if (access.method === 'none') return { kind: 'failed', reason: `node ${call.node} has no power control configured` }
    const program = access.method === 'ipmi' ? ipmiCommand(access, verb) : operatorsCommand(access, verb, call.node)
    return runOnce(run, verb, access, program, call)
  }
  return {
    status: (access, call) => attempt('status', access, call),
    off: (access, call) => attempt('off', access, call),
    on: (access, call) => attempt('on', access, call),
  }
}

async function runOnce(
  run: RunCommand,
  verb: PowerVerb,
  access: PowerAccess,
  program: Pick<Command, 'file' | 'args' | 'env'>,
  { deadlineMs, signal }: PowerCall,
): Promise<PowerAnswer> {
  if (signal.aborted) return { kind: 'failed', reason: 'it was called off' }
  const words = wordsWithout(access)
  const outcome = await run({ ...program, deadlineMs, signal, isGroup: true, maxOutputBytes: MAX_OUTPUT_BYTES })
  switch (outcome.kind) {
    case 'exited':
      return access.method === 'ipmi' ? parseIpmi(verb, outcome, words) : parseCommand(verb, outcome, words)
    case 'timeout':
      return { kind: 'unreachable', reason: `no answer within ${deadlineMs} ms` }
    case 'aborted':
      return { kind: 'failed', reason: 'it was called off' }
    case 'signalled':
      return { kind: 'failed', reason: `${program.file} died of ${outcome.signal}` }
    case 'too-much-output':
      return { kind: 'failed', reason: `${program.file} printed too much` }
    case 'not-started':
      return { kind: 'failed', reason: `${program.file} could not be started: ${words(outcome.error.message)}` }
    default:
      return unreachable(outcome)
  }
}

function operatorsCommand(
  access: CommandAccess,
  verb: PowerVerb,
  node: string,
): Pick<Command, 'file' | 'args' | 'env'> {
  const [file = '', ...args] = access[verb].map((word) => word.replaceAll('{node}', node))
  return { file, args, env: access.environment }
}

type Exit = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

/** Only the words `on` and `off` alone are an answer: a status that says more may mean something else. */
function parseCommand(verb: PowerVerb, { exitCode, stdout, stderr }: Exit, words: Words): PowerAnswer {
  if (exitCode !== 0) return { kind: 'failed', reason: words(stderr) || `the command ended with ${exitCode}` }
  if (verb !== 'status') return { kind: 'accepted' }
  const state = stdout.trim().toLowerCase()
  if (state === 'on' || state === 'off') return { kind: state }
  return { kind: 'failed', reason: `the command printed neither on nor off: ${words(stdout)}` }
}
