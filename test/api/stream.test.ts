import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { API_PREFIX } from '../../src/contract/paths.ts'
import type { ConsoleSegment } from '../../src/model/console.ts'
import { NodeName } from '../../src/model/ids.ts'
import { type StreamKeys, segmentName, tree } from '../../src/schema/tree.ts'
import { define, startCluster, type TestCluster } from './cluster.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

async function write(keys: StreamKeys, texts: readonly string[]): Promise<void> {
  await cluster.session.create(keys.head, { places: {} })
  let line = 1
  for (const [index, text] of texts.entries()) {
    const node = NodeName.parse('hv1')
    const figures = { node, seq: 1, column: 0, before: 0, gapsMs: [100], place: null, isLast: false }
    const segment: ConsoleSegment = { ...figures, line, at: 1_700_000_000_000, text }
    await cluster.session.create(keys.segments.child(segmentName(index + 1)), segment)
    line += text.split('\n').length - 1
  }
}

async function stream(url: string, headers: Record<string, string> = {}): Promise<string> {
  const { body, statusCode } = await cluster.app.inject({
    url: `${API_PREFIX}${url}`,
    headers: { 'x-api-key': cluster.tokens['read-only'], ...headers },
  })
  expect(statusCode).toBe(200)
  return body
}

describe('the console of a VM', () => {
  it('is text, ten lines if not said otherwise', async () => {
    const { uuid } = await define(cluster, 'web')
    expect((await cluster.call('GET', '/vm/web/console')).body).toEqual({ name: 'web', data: '' })
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`)
    await write(tree.vm(uuid).console, [`${lines.slice(0, 25).join('\n')}\n`, `${lines.slice(25).join('\n')}\n`])
    expect((await cluster.call('GET', '/vm/web/console')).body).toEqual({
      name: 'web',
      data: lines.slice(-10).join('\n'),
    })
    expect((await cluster.call('GET', '/vm/web/console', { lines: '2' })).body).toMatchObject({
      data: 'line 29\nline 30',
    })
    expect((await cluster.call('GET', '/vm/nobody/console')).status).toBe(404)
    expect((await cluster.call('GET', '/vm/web/console', {}, { token: null })).status).toBe(401)
  })

  it('is a stream of events that can be taken up again', async () => {
    const { uuid } = await define(cluster, 'web')
    await write(tree.vm(uuid).console, ['one\ntwo\n', 'thr'])
    const first = await stream('/vm/web/console/stream?once=true&lines=2')
    const at = 1_700_000_000_000
    expect(first).toBe(
      [
        'retry: 1000\n\n',
        `id: 3.0\ndata: ${JSON.stringify({ line: 2, column: 0, text: 'two', end: true, at: at + 100 })}\n\n`,
        `id: 3.3\ndata: ${JSON.stringify({ line: 3, column: 0, text: 'thr', end: false, at })}\n\n`,
      ].join(''),
    )
    const more = await stream('/vm/web/console/stream?once=true', { 'last-event-id': '3.1' })
    expect(more).toContain('"column":1,"text":"hr"')
    expect(more).not.toContain('two')
    expect((await cluster.call('GET', '/vm/web/console/stream', { from: 'x' })).body).toMatchObject({
      message: { from: 'from must be a position such as 123 or 123.4' },
    })
  })

  it('lets its node know that somebody follows, until nobody does', async () => {
    const { uuid } = await define(cluster, 'web')
    await write(tree.vm(uuid).console, ['one\n'])
    await cluster.app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = cluster.app.server.address() as { port: number }
    const stop = new AbortController()
    const answer = await fetch(`http://127.0.0.1:${port}${API_PREFIX}/vm/web/console/stream`, {
      headers: { 'x-api-key': cluster.tokens['read-only'] },
      signal: stop.signal,
    })
    const reader = answer.body?.getReader()
    let text = ''
    while (!text.includes('"text":"one"')) text += new TextDecoder().decode((await reader?.read())?.value)
    await expect
      .poll(() => cluster.session.children(tree.followers.path))
      .toEqual([expect.stringMatching(`^vm-${uuid}@`)])
    stop.abort()
    await expect.poll(() => cluster.session.children(tree.followers.path)).toEqual([])
    // fetch keeps a connection in reserve.
    cluster.app.server.closeAllConnections()
  })

  it('is removed with its VM', async () => {
    const { uuid } = await define(cluster, 'web')
    await write(tree.vm(uuid).console, ['one\n', 'two\n'])
    expect((await cluster.call('DELETE', '/vm/web')).status).toBe(200)
    expect(await cluster.session.children(tree.vm(uuid).console.segments.path)).toBeUndefined()
  })

  it('is warned about when the definition has none', async () => {
    const { body } = await cluster.call('GET', '/vm/web/console')
    expect(body).toMatchObject({ message: "VM 'web' not found." })
    const spec = await define(cluster, 'web')
    await cluster.call('POST', '/vm/web/meta', { console_lines: '0' })
    expect(cluster.spec('web').meta.consoleLines).toBe(0)
    expect((await cluster.call('GET', '/vm/web/meta')).body).toMatchObject({ console_lines: 0 })
    await cluster.call('POST', '/vm/web/meta', { console_lines: '-1' })
    expect(cluster.spec('web').meta.consoleLines).toBeUndefined()
    const again = await cluster.call(
      'POST',
      '/vm',
      { node: 'hv1', dry_run: 'true' },
      {
        form: { xml: spec.xml.replace(/<name>web/, '<name>web2').replace(/<uuid>.*<\/uuid>/, '') },
      },
    )
    expect(again.body).toMatchObject({ warnings: expect.arrayContaining([expect.stringContaining('no console log')]) })
  })
})

describe('the log of a node', () => {
  it('is read in the same way', async () => {
    await write(tree.node(NodeName.parse('hv1')).log, ['started\n'])
    expect((await cluster.call('GET', '/node/hv1/log')).body).toEqual({ name: 'hv1', data: 'started' })
    expect(await stream('/node/hv1/log/stream?once=yes')).toContain('"text":"started"')
    expect((await cluster.call('GET', '/node/hv9/log')).status).toBe(404)
  })
})
