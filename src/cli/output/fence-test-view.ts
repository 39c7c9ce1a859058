import type { CoordinatorFenceTest, FenceTest } from '../../contract/node-fence-test.ts'
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

function formatFenceTest(test: FenceTest, palette: Palette): string {
  const { node, grade, checks } = test
  const [colour, words] = FENCE_GRADES[grade] ?? ['yellow', grade]
  const others = shownCoordinators(test)
  const width = Math.max(0, ...[...checks, ...others].map(({ name }) => name.length))
  const line = (ok: boolean, name: string, message: string) => {
    const mark = ok ? palette.green('ok ') : palette.red('BAD')
    return `  ${mark} ${name.padEnd(width)}  ${message}`
  }
  return [
    `Node "${node}" ${palette[colour](words)}${byWhom(test)}.`,
    ...checks.map(({ name, ok, message }) => line(ok, name, message)),
    ...others.map((other) =>
      other.running
        ? line(other.ok && other.answered, other.name, ifPrimary(other))
        : `  -   ${other.name.padEnd(width)}  Does not run, so it was not asked.`,
    ),
  ].join('\n')
}

/**
 * What the primary found is in the checks, unless these are of an older test. What a coordinator could do to itself is nothing:
 * it would be dead.
 */
function shownCoordinators({ node, tested_by: primary, coordinators }: FenceTest): readonly CoordinatorFenceTest[] {
  // Servers of older versions say nothing of other coordinators.
  return (coordinators ?? []).filter(({ name, answered }) => (name === primary ? !answered : name !== node))
}

function byWhom({ node, tested_by: primary, coordinators }: FenceTest): string {
  if (!primary) return ''
  const isForOthers = node === primary && (coordinators ?? []).length > 1
  return isForOthers ? ' by another coordinator (it is the primary)' : ` by the primary, ${primary}`
}

function ifPrimary({ answered, ok, problems }: CoordinatorFenceTest): string {
  const found = ok ? 'As primary: reads its power and may shut it out of Ceph.' : `As primary: ${problems.join(' ')}`
  if (answered) return found
  return problems.length > 0
    ? `Did not answer in time. Before, as primary: ${problems.join(' ')}`
    : 'Did not answer in time.'
}
