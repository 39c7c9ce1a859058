import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'

const NATIVE = new URL('../../../src/adapters/libvirt/native.ts', import.meta.url).href

/** Runs a program that has `open` for a connection to libvirt's test driver; its output is one line. */
function run(body: string, timeoutMs = 20_000) {
  const source = `
    import { openConnection } from '${NATIVE}'
    const open = () => openConnection('test:///default')
    ${body}`
  const result = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: timeoutMs,
  })
  return { status: result.status, signal: result.signal, stdout: result.stdout.trim(), stderr: result.stderr }
}

const clean = (stdout: string) => ({ status: 0, signal: null, stdout, stderr: '' })

it('ends by itself when all is closed', () => {
  expect(
    run(`const c = await open()
      await c.subscribe('lifecycle', () => {})
      await c.close()
      console.log('end')`),
  ).toEqual(clean('end'))
})

it('ends by itself with an idle connection left open', () => {
  expect(run(`const c = await open(); console.log(await c.driver())`)).toEqual(clean('TEST'))
})

it('stays while somebody is subscribed', () => {
  expect(
    run(`const c = await open()
      await c.subscribe('lifecycle', ({ event }) => { console.log(event); void c.close() })
      const [d] = await c.listDomains()
      // Nothing else keeps the process alive until the event comes.
      void c.domain(d.uuid).suspend()`),
  ).toEqual(clean('suspended'))
})

it('a listener that throws is an uncaught exception', () => {
  const result = run(`const c = await open()
    process.on('uncaughtException', (error) => { console.log(error.message); void c.close() })
    await c.subscribe('lifecycle', () => { throw new Error('from a listener') })
    const [d] = await c.listDomains()
    await c.domain(d.uuid).suspend()`)
  expect(result).toEqual(clean('from a listener'))
})

it('a forgotten connection is closed by the garbage collector, away from the JavaScript thread', () => {
  expect(
    run(`for (let i = 0; i < 500; i++) { await open(); if (i % 50 === 0) { globalThis.gc(); await open() } }
      globalThis.gc()
      console.log('end')`),
  ).toEqual(clean('end'))
})

it('process.exit in the middle of everything neither crashes nor hangs', () => {
  for (let round = 0; round < 5; round++) {
    const result = run(`const all = await Promise.all(Array.from({ length: 20 }, open))
      for (const c of all) await c.subscribe('lifecycle', () => {})
      const [d] = await all[0].listDomains()
      const storm = () => { for (const c of all) for (let i = 0; i < 20; i++) {
        c.domain(d.uuid).xml().catch(() => {}); c.domain(d.uuid).suspend().catch(() => {}); c.domain(d.uuid).resume().catch(() => {})
      } }
      storm()
      for (const c of all.slice(0, 10)) void c.close()
      setTimeout(() => { storm(); process.exit(7) }, ${round * 5})`)
    expect(result).toEqual({ status: 7, signal: null, stdout: '', stderr: '' })
  }
})

it('a worker thread may come and go with open connections, calls and subscriptions', async () => {
  for (let round = 0; round < 10; round++) {
    // Plain JavaScript on the addon itself: a worker has no TypeScript loader.
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
       const addon = require(workerData)
       const go = async () => {
         const connections = await Promise.all(Array.from({ length: 5 }, () => addon.open('test:///default')))
         for (const c of connections) await addon.subscribe(c, 0, () => {})
         const [d] = await addon.listDomains(connections[0], 0)
         for (let i = 0; i < 500; i++) for (const c of connections) addon.domainXml(c, d.uuid, 0), addon.domainSuspend(c, d.uuid).catch(() => {}), addon.domainResume(c, d.uuid).catch(() => {})
         parentPort.postMessage('busy')
       }
       go()`,
      {
        eval: true,
        workerData: new URL('../../../native/libvirt/build/Release/pvc_libvirt.node', import.meta.url).pathname,
      },
    )
    const said = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(said).toBe('busy')
    await worker.terminate()
  }
})
