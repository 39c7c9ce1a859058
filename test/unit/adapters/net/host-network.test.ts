import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { createHostNetwork } from '../../../../src/adapters/net/host-network.ts'
import type { Command, CommandOutcome } from '../../../../src/adapters/process/command.ts'

const V4 = { address: '10.9.0.9', prefix: 24, device: 'v0' }
const V6 = { address: 'fd00::9', prefix: 64, device: 'v0' }

function network(answer: Partial<{ exitCode: number; stderr: string }> = {}) {
  const commands: Command[] = []
  const outcome: CommandOutcome = { kind: 'exited', exitCode: 0, stdout: '', stderr: '', durationMs: 1, ...answer }
  const clock = new ManualClock()
  const host = createHostNetwork(clock, {
    run: async (command) => {
      commands.push(command)
      return outcome
    },
  })
  return { host, commands, clock }
}

describe('addresses of the host', () => {
  it('are added by one command, IPv6 ones ready at once and never chosen as source', async () => {
    const { host, commands } = network()
    await host.add([V4, V6])
    expect(commands.map(({ file, input }) => [file, String(input)])).toEqual([
      ['ip', 'address replace 10.9.0.9/24 dev v0\naddress replace fd00::9/64 dev v0 nodad preferred_lft 0\n'],
    ])
  })

  it('that are not there are no error when removed: words of iproute2 6.1', async () => {
    const stderr =
      'Error: ipv4: Address not found.\nCommand failed -:1\nError: ipv6: address not found.\nCommand failed -:2\nCannot find device "nope"\nCommand failed -:3\n'
    const { host } = network({ exitCode: 1, stderr })
    await expect(host.remove([V4, V6])).resolves.toBeUndefined()
    await expect(host.add([V4])).rejects.toMatchObject({ code: 'PVC_NETWORK_FAILED' })
  })

  it('that retire leave a route behind, after the address, until that ends', async () => {
    const { host, commands } = network({ stderr: '' })
    await host.retire([{ ...V4, isGateway: true }, V6, { ...V6, address: 'fe80::1' }])
    await host.endRetirement([V4])
    expect(commands.map(({ input }) => String(input).split('\n').slice(0, -1))).toEqual([
      [
        'address del 10.9.0.9/24 dev v0',
        'address del fd00::9/64 dev v0',
        'address del fe80::1/64 dev v0',
        'route replace 10.9.0.0/24 dev v0 metric 32000',
        'route replace fd00::/64 dev v0 metric 32000',
      ],
      ['address del 10.9.0.9/24 dev v0', 'address del fd00::9/64 dev v0', 'address del fe80::1/64 dev v0'],
      ['route del 10.9.0.0/24 dev v0 metric 32000'],
    ])
    const gone = network({ exitCode: 2, stderr: 'RTNETLINK answers: No such process\nCommand failed -:1\n' })
    await expect(gone.host.endRetirement([V4])).resolves.toBeUndefined()
  })

  it('that cannot be removed are an error with the words of ip', async () => {
    const stderr = 'Error: ipv4: Address not found.\nCommand failed -:1\nRTNETLINK answers: Operation not permitted\n'
    const { host } = network({ exitCode: 1, stderr })
    await expect(host.remove([V4])).rejects.toThrow('Operation not permitted')
  })

  it('are announced by gratuitous ARP and by unsolicited neighbour advertisements, three times', async () => {
    const { host, commands, clock } = network()
    const announced = host.announce([V4, V6], new AbortController().signal)
    await clock.advance(2500)
    await announced
    expect(commands.map(({ file, args }) => [file, ...args].join(' '))).toEqual([
      'arping -q -A -c 3 -I v0 10.9.0.9',
      ...Array.from({ length: 3 }, () => 'ndptool -t na -U -i v0 -T fd00::9 send'),
    ])
  })

  it('are not announced after an abort', async () => {
    const { host, commands, clock } = network()
    const ending = new AbortController()
    const announced = host.announce([V6], ending.signal)
    await clock.advance(500)
    ending.abort()
    await announced
    expect(commands).toHaveLength(1)
  })
})
