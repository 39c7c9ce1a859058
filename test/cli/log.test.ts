import { describe, expect, it } from 'vitest'
import { EventParser } from '../../src/cli/event-stream.ts'
import { LinePrinter } from '../../src/cli/follow.ts'
import { settled } from '../../src/cli/output/console-text.ts'
import { createJumpingClock, runCli } from './pvc-run.ts'

const event = (line: number, column: number, text: string, end: boolean) => {
  const next = end ? `${line + 1}.0` : `${line}.${column + text.length}`
  return `id: ${next}\ndata: ${JSON.stringify({ line, column, text, end, at: 0 })}\n\n`
}

describe('pvc vm log', () => {
  it('asks for the text as older clients do', async () => {
    const routes = { 'GET /vm/web/console': { json: { name: 'web', data: 'one\ntwo' } } }
    const short = await runCli({ argv: ['-q', 'vm', 'log', 'web', '-l', '5'], routes })
    expect(short).toMatchObject({ exitCode: 0, stdout: 'one\ntwo\n', requests: ['GET /vm/web/console?lines=5'] })
    const all = await runCli({ argv: ['-q', 'vm', 'log', 'web', '--grep', '^t'], routes })
    expect(all).toMatchObject({ stdout: 'two\n', requests: ['GET /vm/web/console?lines=1000'] })
    const paged = await runCli({ argv: ['-q', 'vm', 'log', 'web'], routes, isTty: true })
    expect(paged.stdout).toBe('(pager)\none\ntwo\n')
    const plain = await runCli({ argv: ['-q', 'vm', 'log', 'web', '--no-pager'], routes, isTty: true })
    expect(plain.stdout).toBe('one\ntwo\n')
    const wrong = await runCli({ argv: ['-q', 'vm', 'log', 'web', '--grep', '('], routes })
    expect(wrong).toMatchObject({ exitCode: 2, requests: [] })
  })

  it('shows when lines arrived', async () => {
    const routes = { 'GET /vm/web/console/stream': { events: event(1, 0, 'one', true), ends: true } }
    const { stdout, requests } = await runCli({ argv: ['-q', 'vm', 'log', 'web', '--timestamps'], routes })
    expect(stdout).toMatch(/^19\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} one\n$/)
    expect(requests).toEqual(['GET /vm/web/console/stream?lines=1000&once=True'])
  })

  it('follows, and goes on behind the last character when the connection breaks', async () => {
    let press: () => void = () => undefined
    const routes = {
      'GET /vm/web/console/stream': [
        { events: `retry: 1000\n\n${event(1, 0, 'one', true)}${event(2, 0, 'lo', false)}` },
        { status: 503, json: { message: 'Not now.' } },
        { events: `:\n\n${event(2, 2, 'gin: ', false)}event: dropped\nid: 9.0\ndata: {"lines":7}\n\n` },
        { events: event(9, 0, 'nine', true), ends: true },
        { status: 404, json: { message: "VM 'web' not found." } },
      ],
    }
    const { stdout, stderr, requests, exitCode } = await runCli({
      argv: ['-q', 'vm', 'log', 'web', '-f'],
      routes,
      clock: createJumpingClock(),
      interrupt: (act) => {
        press = act
        return () => undefined
      },
    })
    expect(press).toBeTypeOf('function')
    expect(stdout).toBe('one\nlogin: \n[7 lines dropped]\nnine\n')
    expect(requests.map((each) => each.split('?')[1])).toEqual([
      'lines=10',
      'from=2.2',
      'from=2.2',
      'from=9.0',
      'from=10.0',
    ])
    expect([exitCode, stderr]).toEqual([1, "VM 'web' not found.\n"])
  })

  it('ends its line and its work at Ctrl-C', async () => {
    let press: () => void = () => undefined
    const running = runCli({
      argv: ['-q', 'node', 'log', 'hv1', '-f'],
      routes: {
        'GET /node/hv1/log/stream': [
          { events: event(1, 0, 'half', false) },
          { status: 503, json: { message: 'Not now.' } },
        ],
      },
      interrupt: (act) => {
        press = act
        setTimeout(() => press(), 300)
        return () => undefined
      },
    })
    expect(await running).toMatchObject({ exitCode: 0, stdout: 'half\n' })
  })
})

describe('the pieces of a log', () => {
  it('are found in whatever chunks they arrive', () => {
    const text = `retry: 1\n\n:\n\n${event(1, 0, 'ä\r€', true)}event: dropped\ndata: {"lines":1}\n\n`
    const parser = new EventParser()
    const found = [...text].flatMap((char) => parser.push(char))
    expect(found.map(({ id, event: kind }) => [id, kind])).toEqual([
      ['2.0', 'text'],
      ['', 'dropped'],
    ])
    expect(JSON.parse(found[0]?.data ?? '')).toMatchObject({ text: 'ä\r€' })
  })

  it('are filtered as whole lines', () => {
    let out = ''
    const printer = new LinePrinter({ showTimes: false, pattern: /one two/ }, (text) => {
      out += text
    })
    for (const [line, column, text, end] of [
      [1, 0, 'one ', false],
      [1, 4, 'two', true],
      [2, 0, 'three', true],
    ] as const)
      printer.text({ line, column, text, end, at: 0 })
    expect(out).toBe('one two\n')
  })

  it('look in a pager as they would on a terminal in the end', () => {
    expect(settled('10%\r20%\r100%\nplain\nx\r\n')).toBe('100%\nplain\nx\n')
  })
})
