import type { FenceTest } from '../../contract/node-fence-test.ts'
import type { ColourName, Palette } from './colour.ts'

/** Words and colour of a grade, as the end of a sentence about the node. */
export const FENCE_GRADES: Readonly<Record<string, readonly [ColourName, string]>> = {
  ready: ['green', 'could be fenced'],
  weak: ['yellow', 'could be fenced in one way only'],
  unready: ['red', 'could NOT be fenced'],
  unknown: ['yellow', 'was not tested yet'],
}

/** A paragraph for each node: the verdict, then each check. */
export function formatFenceTests(tests: readonly FenceTest[], palette: Palette): string {
  return tests.map((test) => formatFenceTest(test, palette)).join('\n\n')
}

function formatFenceTest({ node, grade, checks }: FenceTest, palette: Palette): string {
  const [colour, words] = FENCE_GRADES[grade] ?? ['yellow', grade]
  const width = Math.max(0, ...checks.map(({ name }) => name.length))
  const lines = checks.map(({ name, ok, message }) => {
    const mark = ok ? palette.green('ok ') : palette.red('BAD')
    return `  ${mark} ${name.padEnd(width)}  ${message}`
  })
  return [`Node "${node}" ${palette[colour](words)}.`, ...lines].join('\n')
}
