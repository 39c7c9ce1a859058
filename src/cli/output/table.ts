import type { ColourName, Palette } from './colour.ts'

/** A piece of a table: text, and its colour when it has one. */
export type Cell = string | { readonly text: string; readonly colour: ColourName }

/** A column: its title, and what it shows of a row. */
export type Column<Row> = { readonly title: string; readonly cell: (row: Row) => Cell }

/** Columns under a common heading; a table without headings has one section with an empty title. */
export type Section<Row> = { readonly title: string; readonly columns: readonly Column<Row>[] }

const GAP = '  '

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}

/** Width of a text on the terminal: code points, which is right for all but the rarest names. */
function widthOf(text: string): number {
  return [...text].length
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

function paintCell(cell: Cell, width: number, palette: Palette): string {
  const padded = pad(textOf(cell), width)
  return typeof cell === 'string' ? padded : palette[cell.colour](padded)
}

/** Removes blanks at the end of a line, also those before a closing colour code. */
function trimLine(line: string): string {
  const isColoured = line.endsWith('\x1b[0m')
  const body = isColoured ? line.slice(0, -4) : line
  return body.trimEnd() + (isColoured ? '\x1b[0m' : '')
}

/** The first header line: each section's title, drawn out with dashes over its columns. */
function headings(sections: readonly { title: string; widths: readonly number[] }[]): string {
  return sections
    .map(({ title, widths }) => {
      const width = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1)
      const rest = width - widthOf(title) - 1
      return rest > 0 ? `${title} ${'-'.repeat(rest)}` : pad(title, width)
    })
    .join(GAP)
}

/** A table with one or two header lines and columns as wide as their content. Ends without a newline. */
export function formatTable<Row>(sections: readonly Section<Row>[], rows: readonly Row[], palette: Palette): string {
  const columns = sections.flatMap((section) => section.columns)
  const cells = rows.map((row) => columns.map((column) => column.cell(row)))
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...cells.map((line) => widthOf(textOf(line[index] ?? '')))),
  )
  let start = 0
  const measured = sections.map(({ title, columns: own }) => {
    const section = { title, widths: widths.slice(start, start + own.length) }
    start += own.length
    return section
  })
  // A section narrower than its title grows in its last column, so that headings stay above their columns.
  start = 0
  for (const section of measured) {
    const width = section.widths.reduce((sum, each) => sum + each, 0) + GAP.length * (section.widths.length - 1)
    const last = start + section.widths.length - 1
    const missing = widthOf(section.title) - width
    if (missing > 0) {
      widths[last] = (widths[last] ?? 0) + missing
      section.widths[section.widths.length - 1] = widths[last] ?? 0
    }
    start += section.widths.length
  }
  const titles = columns.map((column, index) => pad(column.title, widths[index] ?? 0)).join(GAP)
  const header = sections.some((section) => section.title !== '') ? [headings(measured), titles] : [titles]
  const body = cells.map((line) => line.map((cell, index) => paintCell(cell, widths[index] ?? 0, palette)).join(GAP))
  return [...header.map((line) => palette.bold(line.trimEnd())), ...body.map(trimLine)].join('\n')
}

/** One labelled value of a detail page; an undefined value leaves the line out, undefined instead of a field is an empty line. */
export type Field = readonly [label: string, value: Cell | readonly Cell[] | undefined] | undefined

/** A detail page: labels in one column, values in the next; a list takes a line each. */
export function formatFields(fields: readonly Field[], palette: Palette): string {
  const width = Math.max(...fields.map((field) => (field ? widthOf(field[0]) + 1 : 0)))
  const lines: string[] = []
  for (const field of fields) {
    if (!field) {
      if (lines.length > 0 && lines.at(-1) !== '') lines.push('')
      continue
    }
    const [label, value] = field
    if (value === undefined) continue
    const values = isList(value) ? value : [value]
    const head = palette.purple(pad(`${label}:`, width))
    for (const [index, cell] of values.entries()) {
      lines.push(trimLine(`${index === 0 ? head : ' '.repeat(width)} ${paintCell(cell, 0, palette)}`))
    }
  }
  while (lines.at(-1) === '') lines.pop()
  return lines.join('\n')
}

function isList(value: Cell | readonly Cell[]): value is readonly Cell[] {
  return Array.isArray(value)
}
