import { describe, expect, it } from 'vitest'
import { createPalette, shouldColour } from '../../../../src/cli/output/colour.ts'
import { formatFields, formatTable } from '../../../../src/cli/output/table.ts'

const plain = createPalette(false)
type Row = { readonly a: string; readonly b: string }
const columns = [
  { title: 'A', cell: (row: Row) => row.a },
  { title: 'Bee', cell: (row: Row) => ({ text: row.b, colour: 'red' as const }) },
]

describe('formatTable', () => {
  it('makes columns as wide as their content', () => {
    const rows = [
      { a: 'x', b: 'long text' },
      { a: 'wide', b: '' },
    ]
    expect(formatTable([{ title: '', columns }], rows, plain)).toBe('A     Bee\nx     long text\nwide')
  })

  it('draws headings over their columns, and widens columns for them', () => {
    const sections = [
      { title: 'A long heading', columns },
      { title: 'B', columns },
    ]
    expect(formatTable(sections, [{ a: '1', b: '2' }], plain)).toBe(
      ['A long heading  B ----', 'A  Bee          A  Bee', '1  2            1  2'].join('\n'),
    )
  })

  it('colours a cell without its neighbours', () => {
    const text = formatTable([{ title: '', columns }], [{ a: 'x', b: 'y' }], createPalette(true))
    expect(text.split('\n')[1]).toBe('x  \x1b[91my\x1b[0m')
  })

  it('counts letters, not their bytes', () => {
    const rows = [
      { a: '🙂é', b: '1' },
      { a: 'xyz', b: '2' },
    ]
    expect(formatTable([{ title: '', columns }], rows, plain)).toBe('A    Bee\n🙂é   1\nxyz  2')
  })
})

describe('formatFields', () => {
  it('lines values up, leaves out what is undefined, and joins empty lines', () => {
    const fields = [['A', '1'], ['B', undefined], undefined, undefined, ['Long', ['x', 'y']], undefined] as const
    expect(formatFields(fields, plain)).toBe('A:    1\n\nLong: x\n      y')
  })
})

describe('shouldColour', () => {
  it.each([
    [{ isForced: true, noColor: '1', isTty: false }, true],
    [{ isForced: false, noColor: '1', isTty: true }, false],
    [{ isForced: false, noColor: '', isTty: true }, true],
    [{ isForced: false, noColor: undefined, isTty: true }, true],
    [{ isForced: false, noColor: undefined, isTty: false }, false],
  ])('%j gives %s', (choice, expected) => {
    expect(shouldColour(choice)).toBe(expected)
  })
})
