/** The hand-over of a live move taken apart: how long each of its steps took, by what both pvcnoded logged. */
import { readFileSync } from 'node:fs'
import type { Lab } from '../lab/lab.ts'

/** Steps in their order; all are part of the time in which the guest stands still. */
export const handOverSteps = ['tell', 'end', 'record', 'resume'] as const

/**
 * ms of each step. `tell`: the target saw its copy complete, until the source acts on it. `end`: the source's QEMU ends.
 * `record`: the run record is written, and the target sees it. `resume`: the copy becomes the target's and runs.
 */
export type HandOver = Readonly<Record<(typeof handOverSteps)[number], number>>

/** Beginnings of the steps, and the end of the last, as they stand in the log. */
const MARKS = [
  ['vm say-arrival', '"state":"complete"'],
  ['vm end-source', ''],
  ['the QEMU that was copied has ended', ''],
  ['vm adopt', ''],
  ['the copy runs', ''],
] as const

/** The hand-overs of a VM between two hosts that all hosts' logs show, oldest first. One that was repeated is left out. */
export function handOvers(lab: Lab, uuid: string): readonly HandOver[] {
  const lines = lab.hosts.flatMap((host) => readFileSync(host.log('pvcnoded'), 'utf8').split('\n'))
  return parseHandOvers(lines.filter((line) => line.includes(uuid)))
}

/** The same from the lines of all logs about one VM. */
export function parseHandOvers(lines: readonly string[]): readonly HandOver[] {
  const marks = lines
    .flatMap((line) => {
      const mark = MARKS.findIndex(([message, part]) => line.includes(`"msg":"${message}"`) && line.includes(part))
      const time = /"time":"([^"]+)"/.exec(line)?.[1]
      return mark < 0 || time === undefined ? [] : [{ mark, atMs: Date.parse(time) }]
    })
    .sort((a, b) => a.atMs - b.atMs || a.mark - b.mark)
  return marks.flatMap(({ mark }, at) => {
    const [told, seen, ended, adopted, runs] = marks.slice(at, at + MARKS.length)
    const isWhole = marks.slice(at, at + MARKS.length).every((each, index) => each.mark === index)
    if (mark !== 0 || !isWhole || !told || !seen || !ended || !adopted || !runs) return []
    return [
      {
        tell: seen.atMs - told.atMs,
        end: ended.atMs - seen.atMs,
        record: adopted.atMs - ended.atMs,
        resume: runs.atMs - adopted.atMs,
      },
    ]
  })
}
