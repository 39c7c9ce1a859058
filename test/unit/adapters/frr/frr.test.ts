import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFrr, parseSummary } from '../../../../src/adapters/frr/frr.ts'
import type { Command, CommandOutcome } from '../../../../src/adapters/process/command.ts'

let dir: string
let calls: Command[]
let answer: CommandOutcome

const exited = (exitCode: number, stdout = '', stderr = ''): CommandOutcome => ({
  ...{ kind: 'exited', exitCode, stdout, stderr, durationMs: 1 },
})
const frr = () =>
  createFrr({
    dir,
    run: async (command) => {
      calls.push(command)
      return answer
    },
  })

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-frr-'))
  calls = []
  answer = exited(0)
})
afterEach(() => rmSync(dir, { recursive: true }))

describe("FRR's file", () => {
  it('is empty where there is none', async () => {
    expect(await frr().stored()).toBe('')
  })

  it('is checked, then replaced as a whole, readable by root and FRR only', async () => {
    await frr().store('router bgp 1\n')
    expect(await frr().stored()).toBe('router bgp 1\n')
    expect(calls).toMatchObject([{ file: 'vtysh', args: ['-C', '-f', join(dir, 'frr.conf.pvc-new')] }])
    expect(statSync(join(dir, 'frr.conf')).mode & 0o777).toBe(0o640)
    expect(readdirSync(dir)).toEqual(['frr.conf'])
  })

  it('stays what it is when FRR refuses the new text', async () => {
    await frr().store('router bgp 1\n')
    answer = exited(2, '', 'line 1: % Unknown command[4]: router foo\n\n')
    await expect(frr().store('router foo\n')).rejects.toThrow(
      'FRR refuses its configuration: line 1: % Unknown command[4]: router foo',
    )
    expect(readFileSync(join(dir, 'frr.conf'), 'utf8')).toBe('router bgp 1\n')
    expect(existsSync(join(dir, 'frr.conf.pvc-new'))).toBe(false)
  })
})

describe('FRR that fails', () => {
  it.each([
    [exited(1, '', 'Exiting: failed to connect to any daemons.\n'), 'FRR does not answer: Exiting: failed to connect'],
    [{ kind: 'timeout', stdout: '', stderr: '', durationMs: 5000 }, 'FRR does not answer: timeout'],
    [{ kind: 'not-started', error: new Error('ENOENT') }, 'FRR does not answer: vtysh could not be started'],
  ] satisfies [CommandOutcome, string][])('%o', async (outcome, message) => {
    answer = outcome
    await expect(frr().state()).rejects.toThrow(message)
  })

  it('names what the reload complains of, not its log', async () => {
    answer = exited(1, '2026-11-21 17:43:00,045  INFO: Loading\n% Operation not allowed on a dynamic neighbor\n')
    await expect(frr().reload()).rejects.toThrow('% Operation not allowed on a dynamic neighbor')
  })
})

describe('a summary of BGP', () => {
  it('of FRR 8.4.4', () => {
    const text = readFileSync('test/data/frr/summary-8.4.4.json', 'utf8')
    expect(parseSummary(text)).toEqual({
      asn: 65500,
      sessions: [
        { address: '10.90.0.12', isEstablished: true, isDynamic: false },
        { address: '10.90.0.13', isEstablished: true, isDynamic: false },
      ],
      upstream: [{ address: '10.90.2.1', isEstablished: true, isDynamic: false }],
    })
  })

  it.each(['', '{\n}\n', 'BGP instance not found\n'])('without BGP: %j', (text) => {
    expect(parseSummary(text)).toEqual({ asn: undefined, sessions: [], upstream: [] })
  })

  it.each(['{', '{"l2VpnEvpn":{"as":"x"}}'])('that is damaged: %j', (text) => {
    expect(() => parseSummary(text)).toThrow('FRR printed a summary of BGP')
  })
})
