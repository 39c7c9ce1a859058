import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ipmiCommand, type PowerVerb, parseIpmi } from '../../../../src/adapters/power/ipmi.ts'
import { wordsWithout } from '../../../../src/adapters/power/words.ts'

type Capture = {
  readonly name: string
  readonly verb: PowerVerb
  readonly exitCode: number
  readonly durationMs: number
  readonly stdout: string
  readonly stderr: string
}
const captures: readonly Capture[] = JSON.parse(readFileSync('test/data/ipmitool-1.8.19/power.json', 'utf8'))
const access = {
  method: 'ipmi',
  host: '10.91.0.11',
  user: 'admin',
  password: 'hidden-word',
  interface: 'lanplus',
  cipherSuite: 3,
} as const
const words = wordsWithout(access)

const expected: Readonly<Record<string, string>> = {
  'lan-wrong-password': 'refused',
  'lan-unknown-user': 'refused',
  'lan-unreachable': 'unreachable',
  'lanplus-unreachable': 'unreachable',
  'lanplus-wrong-password': 'refused',
  'lookup-failed': 'unreachable',
  'wrong-cipher-suite': 'refused',
  'status-on': 'on',
  'status-off': 'off',
  off: 'accepted',
  on: 'accepted',
  'controller-error': 'failed',
  'slow-controller': 'unreachable',
}

describe('what ipmitool says', () => {
  it.each(captures.map((capture) => [capture.name, capture] as const))('%s', (name, capture) => {
    const answer = parseIpmi(capture.verb, { kind: 'exited', ...capture }, words)
    expect(answer.kind).toBe(expected[name])
    if ('reason' in answer) expect(answer.reason).toMatch(/\S/)
  })

  it('is a failure when it is none of these', () => {
    const exited = { kind: 'exited', exitCode: 0, stderr: '', durationMs: 30 } as const
    for (const stdout of [
      '',
      'Chassis Power is unknown\n',
      'Chassis Power Control: Down/Off\n',
      'xChassis Power is off\n',
    ]) {
      expect(parseIpmi('status', { ...exited, stdout }, words).kind).toBe('failed')
    }
    expect(parseIpmi('off', { ...exited, stdout: 'Chassis Power Control: Up/On\n' }, words).kind).toBe('failed')
    expect(parseIpmi('off', { ...exited, stdout: 'Chassis Power is off\n' }, words).kind).toBe('failed')
  })

  it('never shows the password, also where the text is cut', () => {
    const stderr = `${'x'.repeat(190)} hidden-word`
    const answer = parseIpmi('off', { kind: 'exited', exitCode: 1, stdout: '', stderr, durationMs: 30 }, words)
    expect(JSON.stringify(answer)).not.toContain('hid')
  })
})

describe('the command line of ipmitool', () => {
  it('has the password in the environment only, and names the cipher suite for lanplus', () => {
    const { file, args, env } = ipmiCommand(access, 'off')
    expect([file, ...args].join(' ')).toBe(
      'ipmitool -I lanplus -H 10.91.0.11 -U admin -E -C 3 -N 3 -R 1 chassis power off',
    )
    expect(env).toEqual({ IPMI_PASSWORD: 'hidden-word' })
    expect(ipmiCommand({ ...access, interface: 'lan' }, 'off').args).not.toContain('-C')
  })
})
