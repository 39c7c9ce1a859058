/** What is asked of nft, and what its answers mean. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createPacketFilter, parseTables } from '../../../../src/adapters/nft/nft.ts'
import type { Command, CommandOutcome } from '../../../../src/adapters/process/command.ts'

const exited = (exitCode: number, stderr = '', stdout = ''): CommandOutcome => ({
  kind: 'exited',
  exitCode,
  stdout,
  stderr,
  durationMs: 1,
})

function answering(outcome: CommandOutcome) {
  const commands: Command[] = []
  const filter = createPacketFilter(async (command) => {
    commands.push(command)
    return outcome
  })
  return { filter, commands }
}

describe('the list of tables', () => {
  const text = readFileSync('test/data/nft/list-chains.json', 'utf8')

  it('has each with its chains, of any family', () => {
    expect(parseTables(text)).toEqual([
      { family: 'inet', name: 'pvc-host', chains: ['guests', 'input'] },
      { family: 'inet', name: 'pvc-net100', chains: ['rules-in', 'rules-out', 'forward'] },
      { family: 'inet', name: 'pvc-net101', chains: ['rules-in', 'rules-out', 'forward'] },
      { family: 'bridge', name: 'b', chains: ['c'] },
    ])
  })

  it('is asked for without the contents of tables, which would take time with the square of their number', async () => {
    const { filter, commands } = answering(exited(0, '', text))
    expect(await filter.tables()).toHaveLength(4)
    expect(commands.map(({ file, args }) => [file, ...args].join(' '))).toEqual(['nft -j list chains'])
  })

  it('is an error when nft gives none', async () => {
    const { filter } = answering(exited(1, 'Operation not permitted'))
    await expect(filter.tables()).rejects.toMatchObject({ code: 'PVC_NETWORK_FAILED' })
  })
})

describe('a change', () => {
  it('is one process, whatever is in it, and an objection of nft is no error', async () => {
    const { filter, commands } = answering(
      exited(1, '/dev/stdin:5:13-20: Error: syntax error, unexpected foo\nfoo\n^^^\n'),
    )
    expect(await filter.apply('table a\ntable b\n')).toBe('syntax error, unexpected foo')
    expect(commands).toMatchObject([{ file: 'nft', args: ['-f', '-'], input: 'table a\ntable b\n' }])
  })

  it('is an error when nft did not end', async () => {
    const { filter } = answering({ kind: 'timeout', stdout: '', stderr: '', durationMs: 1 })
    await expect(filter.apply('table a\n')).rejects.toMatchObject({ code: 'PVC_NETWORK_FAILED' })
  })
})
