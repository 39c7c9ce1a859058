import type { Palette } from './colour.ts'

type Step = { readonly kind: ' ' | '-' | '+'; readonly text: string }

/** Above this many cells the middle of the texts is shown as replaced: a table of that size would take seconds. */
const MAX_TABLE_CELLS = 4_000_000

/** Steps from one list of lines to another, with the longest common part kept. */
function stepsBetween(before: readonly string[], after: readonly string[]): Step[] {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1
  let tail = 0
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail += 1
  }
  const same = (text: string): Step => ({ kind: ' ', text })
  return [
    ...before.slice(0, head).map(same),
    ...middleSteps(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(same),
  ]
}

function middleSteps(before: readonly string[], after: readonly string[]): Step[] {
  const width = after.length + 1
  if (before.length * width > MAX_TABLE_CELLS) {
    return [...before.map((text): Step => ({ kind: '-', text })), ...after.map((text): Step => ({ kind: '+', text }))]
  }
  // common[i * width + j]: length of the longest common part of before[i..] and after[j..].
  const common = new Uint32Array((before.length + 1) * width)
  const at = (i: number, j: number) => common[i * width + j] ?? 0
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const steps: Step[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    const [old, next] = [before[i], after[j]]
    if (old !== undefined && old === next) {
      steps.push({ kind: ' ', text: old })
      i += 1
      j += 1
    } else if (old !== undefined && (next === undefined || at(i + 1, j) >= at(i, j + 1))) {
      steps.push({ kind: '-', text: old })
      i += 1
    } else {
      steps.push({ kind: '+', text: next ?? '' })
      j += 1
    }
  }
  return steps
}

/** `12,7` of a hunk header; a single line has no count, an empty range names the line before it. */
function rangeText(start: number, count: number): string {
  if (count === 1) return String(start)
  return `${count === 0 ? start - 1 : start},${count}`
}

/** Unified difference of two texts with `context` lines around each change; empty when they are the same. */
export function unifiedDiff(before: string, after: string, context = 3): string[] {
  const steps = stepsBetween(before.split('\n'), after.split('\n'))
  const isNear = steps.map((_, index) =>
    steps.slice(Math.max(0, index - context), index + context + 1).some((step) => step.kind !== ' '),
  )
  if (!isNear.includes(true)) return []
  const lines = ['--- current', '+++ modified']
  let [oldLine, newLine] = [1, 1]
  for (let index = 0; index < steps.length; ) {
    let end = index
    while (end < steps.length && isNear[end]) end += 1
    const hunk = steps.slice(index, end)
    if (hunk.length > 0) {
      const oldCount = hunk.filter((step) => step.kind !== '+').length
      const newCount = hunk.filter((step) => step.kind !== '-').length
      lines.push(`@@ -${rangeText(oldLine, oldCount)} +${rangeText(newLine, newCount)} @@`)
      lines.push(...hunk.map((step) => step.kind + step.text))
      oldLine += oldCount
      newLine += newCount
      index = end
    } else {
      oldLine += 1
      newLine += 1
      index += 1
    }
  }
  return lines
}

/** Colours a unified difference: added green, removed red, places blue. */
export function paintDiff(lines: readonly string[], palette: Palette): string {
  return lines
    .map((line) => {
      if (line.startsWith('+')) return palette.green(line)
      if (line.startsWith('-')) return palette.red(line)
      return line.startsWith('@') ? palette.blue(line) : line
    })
    .join('\n')
}
