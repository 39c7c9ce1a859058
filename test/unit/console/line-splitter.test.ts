import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitLines } from '../../../src/console/line-splitter.ts'
import { MAX_LINE_BYTES } from '../../../src/model/console.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const show = (data: Uint8Array, open = 0) =>
  splitLines(data, open).pieces.map(({ text, isEnd }) => (isEnd ? `${text}$` : text))

/** What a reader gets who is given `data` in chunks and reads again what was not consumed. */
function readInChunks(data: Uint8Array, sizes: readonly number[]): { text: string; consumed: number } {
  let consumed = 0
  let open = 0
  let text = ''
  let end = 0
  for (const size of [...sizes, data.length]) {
    end = Math.min(data.length, end + size)
    const split = splitLines(data.subarray(consumed, end), open)
    open = split.openBytes
    for (const piece of split.pieces) text += piece.isEnd ? `${piece.text}\n` : piece.text
    consumed += split.pieces.at(-1)?.consumed ?? 0
  }
  return { text, consumed }
}

describe('lines of a console', () => {
  it.each<[string, Uint8Array, string[]]>([
    ['ends at newlines', bytes('one\ntwo\n'), ['one$', 'two$']],
    ['takes a return before a newline as part of the end', bytes('one\r\ntwo\r\n'), ['one$', 'two$']],
    ['shows a prompt before its line ends', bytes('login: '), ['login: ']],
    ['keeps the returns of a progress bar', bytes('10%\r20%\r30%\n'), ['10%\r20%\r30%$']],
    ['leaves a return at the end for later', bytes('10%\r'), ['10%']],
    ['keeps escape sequences', bytes('\x1b[32mOK\x1b[0m\n'), ['\x1b[32mOK\x1b[0m$']],
    ['leaves out NUL', bytes('a\0b\0\n'), ['ab$']],
    ['shows what is no UTF-8 as such', new Uint8Array([0x61, 0xff, 0x62, 10]), ['a\ufffdb$']],
    ['leaves the beginning of a character for later', bytes('ä€😀').subarray(0, 8), ['ä€']],
    ['does not wait for a character that cannot come', new Uint8Array([0x61, 0x80, 0x80]), ['a\ufffd\ufffd']],
    ['has empty lines', bytes('\n\n'), ['$', '$']],
  ])('%s', (_what, data, expected) => {
    expect(show(data)).toEqual(expected)
  })

  it('ends a line that is too long, between two characters', () => {
    const { pieces } = splitLines(bytes(`${'x'.repeat(MAX_LINE_BYTES - 1)}€end\n`), 0)
    expect(pieces.map(({ text, isEnd }) => [text.length, isEnd])).toEqual([
      [MAX_LINE_BYTES - 1, true],
      [4, true],
    ])
    expect(show(bytes('yz\n'), MAX_LINE_BYTES - 1)).toEqual(['y$', 'z$'])
  })

  it('reads the same however the text arrives, and loses nothing', () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme' }).map((text) => bytes(text)),
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom('\n', '\r', '\r\n', '\0', '\x1b[K', '😀').map(bytes),
    )
    fc.assert(
      fc.property(fc.array(part), fc.array(fc.integer({ min: 1, max: 7 })), (parts, sizes) => {
        const data = new Uint8Array(parts.flatMap((each) => [...each]))
        const whole = readInChunks(data, [])
        const pieces = readInChunks(data, sizes)
        expect(pieces).toEqual(whole)
        const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(data.subarray(0, whole.consumed))
        expect(whole.text).toBe(decoded.replaceAll('\r\n', '\n').replaceAll('\0', ''))
        expect(data.length - whole.consumed).toBeLessThan(4)
      }),
    )
  })
})
