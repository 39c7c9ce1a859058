import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { LibvirtError, VIR_ERR } from '../../../src/adapters/libvirt/libvirt-error.ts'
import { openConnection } from '../../../src/adapters/libvirt/native.ts'
import { eventually, strangerUuid, TEST_DOMAIN, TEST_URI, withConnection } from './support.ts'

it('3,000 concurrent failing calls: each has its own error', () =>
  withConnection(async (connection) => {
    const results = await Promise.allSettled(
      Array.from({ length: 3000 }, (_, index) => {
        // Three kinds of failure in turn, so that a mixed-up error shows.
        if (index % 3 === 0) return connection.domain(strangerUuid(index)).lookup()
        if (index % 3 === 1) return connection.domain(TEST_DOMAIN).blockInfo(`stranger-${index}`)
        return connection.defineDomain(`<wrong-${index}/>`)
      }),
    )
    results.forEach((result, index) => {
      if (result.status === 'fulfilled') throw new Error(`call ${index} did not fail`)
      const [code, call, part] = (
        [
          [VIR_ERR.NO_DOMAIN, 'domainLookup', 'Domain not found'],
          [VIR_ERR.INVALID_ARG, 'domainBlockInfo', `stranger-${index} `],
          [VIR_ERR.XML_ERROR, 'domainDefine', `wrong-${index}`],
        ] as const
      )[(index % 3) as 0 | 1 | 2]
      expect(result.reason).toBeInstanceOf(LibvirtError)
      expect(result.reason).toMatchObject({ code, call, message: expect.stringContaining(part) })
    })
  }))

it('10,000 cycles of open, subscribe, look up, list, fail, close do not grow the process', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const cycle = async () => {
    const connection = await openConnection(TEST_URI)
    const unsubscribe = await connection.subscribe('lifecycle', () => undefined)
    const [domain] = await connection.listDomains()
    await connection.domain(domain?.uuid ?? '').lookup()
    await connection
      .domain(TEST_DOMAIN)
      .jobInfo()
      .catch(() => undefined)
    if (Math.random() < 0.5) await unsubscribe()
    await connection.close()
  }
  const cycles = async (count: number) => {
    for (let done = 0; done < count; done += 10) await Promise.all(Array.from({ length: 10 }, cycle))
    collect()
    return process.memoryUsage().rss / 1024 / 1024
  }
  const warmMiB = await cycles(2000)
  const endMiB = await cycles(10_000)
  // One leaked connection is more than 10 KiB, so 10,000 would be more than 100 MiB.
  expect(endMiB - warmMiB).toBeLessThan(24)
})

it('files are read while 40 calls hang, and the hung calls end with their own errors', async () => {
  // A daemon that takes connections and says nothing.
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const port = (silent.address() as AddressInfo).port
  try {
    const hung = Array.from({ length: 40 }, () => openConnection(`test+tcp://127.0.0.1:${port}/default`))
    const settled = Promise.allSettled(hung)
    await eventually('40 calls under way', () => sockets.size === 40)
    const startMs = performance.now()
    await readFile('/proc/self/status')
    await withConnection((connection) => connection.hostname())
    expect(performance.now() - startMs).toBeLessThan(1000)
    for (const socket of sockets) socket.destroy()
    for (const result of await settled) {
      if (result.status === 'fulfilled') throw new Error('a silent daemon was taken for one')
      expect(result.reason).toMatchObject({ call: 'open', message: expect.stringMatching(/closed|reset|end of file/i) })
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
  }
})
