import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createForwarding, parseForwarding } from '../../../../src/adapters/links/forwarding.ts'
import type { Command, CommandOutcome } from '../../../../src/adapters/process/command.ts'

describe('forwarding entries', () => {
  it('are those that somebody set by hand in both tables, in what iproute2 6.1.0 prints', () => {
    expect(parseForwarding(readFileSync('test/data/links/bridge-fdb.json', 'utf8'))).toEqual([
      { mac: '0a:00:00:64:00:00', device: 'vxlan100', to: '10.9.0.1' },
    ])
    expect(parseForwarding('')).toEqual([])
  })

  const entry = { mac: '0a:00:00:64:00:00', device: 'vxlan100', to: '10.9.0.1' }
  const said = (stderr: string) => {
    const inputs: unknown[] = []
    const run = async ({ input }: Command): Promise<CommandOutcome> => {
      inputs.push(input)
      return { kind: 'exited', exitCode: stderr === '' ? 0 : 1, stdout: '', stderr, durationMs: 1 }
    }
    return { inputs, forwarding: createForwarding(run) }
  }

  it('are set in both tables', async () => {
    const { inputs, forwarding } = said('')
    await forwarding.set([entry])
    expect(inputs).toEqual([
      'fdb replace 0a:00:00:64:00:00 dev vxlan100 dst 10.9.0.1 self permanent\nfdb replace 0a:00:00:64:00:00 dev vxlan100 master static\n',
    ])
  })

  it('that are gone need not be removed; another failure is told', async () => {
    await said('RTNETLINK answers: No such file or directory\nCommand failed -:1\n').forwarding.remove([entry])
    await expect(said('RTNETLINK answers: Operation not permitted\n').forwarding.set([entry])).rejects.toThrow(
      'permitted',
    )
  })
})
