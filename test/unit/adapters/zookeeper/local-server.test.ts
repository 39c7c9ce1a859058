import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createLocalServer, serverState } from '../../../../src/adapters/zookeeper/local-server.ts'

const served = `Zookeeper version: 3.8.0-1, built on 2022-10-20 11:01 UTC
Latency min/avg/max: 0/0.9/6
Received: 109
Sent: 108
Connections: 2
Outstanding: 0
Zxid: 0x100000011
Mode: follower
Node count: 30
`

describe('the answer to srvr', () => {
  it.each([
    [served, 'serving'],
    ['This ZooKeeper instance is not currently serving requests\n', 'not-serving'],
    ['', 'silent'],
    ['srvr is not executed because it is not in the whitelist.\n', 'silent'],
  ])('%j is %s', (text, state) => {
    expect(serverState(text)).toBe(state)
  })
})

async function withServer(answer: string | undefined, deadlineMs: number): Promise<string> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    if (answer !== undefined) socket.once('data', () => socket.end(answer))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const local = createLocalServer('127.0.0.1', port)
  try {
    return await local.state(deadlineMs)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('the server of this machine', () => {
  it('is asked', async () => {
    expect(await withServer(served, 2000)).toBe('serving')
  })
  it('is silent when it takes the connection only', async () => {
    expect(await withServer(undefined, 50)).toBe('silent')
  })
  it('refuses when it is down', async () => {
    expect(await createLocalServer('127.0.0.1', 1).state(1000)).toBe('refused')
  })
})
