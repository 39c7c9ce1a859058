import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../../../src/adapters/fake/files.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { VmUuid } from '../../../../src/model/ids.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { createSeqKeeper } from '../../../../src/node/keepalive/seq-guard.ts'
import { judgeSeq, mergeSeqs } from '../../../../src/node/keepalive/seqs.ts'

const web = VmUuid.parse('11111111-1111-4111-8111-111111111111')

function keeper(files = new FakeFiles()) {
  const faults = createFaultBoard(new ManualClock())
  return { files, faults, seqs: createSeqKeeper({ files, faults, log: new FakeLog() }) }
}

describe('judgeSeq', () => {
  it('calls every lower number a rollback and every higher one news', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (known, seen) => {
        expect(judgeSeq(known, seen)).toBe(seen < known ? 'rollback' : seen > known ? 'news' : 'known')
      }),
    )
    expect(judgeSeq(undefined, 0)).toBe('news')
  })
})

describe('mergeSeqs', () => {
  it('keeps the highest of both', () => {
    const db = VmUuid.parse('22222222-2222-4222-8222-222222222222')
    const merged = mergeSeqs(
      new Map([[web, 3]]),
      new Map([
        [web, 2],
        [db, 5],
      ]),
    )
    expect(Object.fromEntries(merged)).toEqual({ [web]: 3, [db]: 5 })
  })
})

describe('sequence keeper', () => {
  it('refuses a record that went backwards, until it caught up', () => {
    const { seqs } = keeper()
    expect(seqs.check(web, 4)).toBe(true)
    expect(seqs.check(web, 3)).toBe(false)
    expect(seqs.check(web, 4)).toBe(true)
  })

  it('remembers over a daemon restart and a reboot', async () => {
    const first = keeper()
    first.seqs.check(web, 4)
    await first.seqs.flushed()
    first.files.reboot()
    const second = keeper(first.files)
    await second.seqs.load()
    expect(second.seqs.check(web, 3)).toBe(false)
  })

  it('takes over what was published when the disk lost it', async () => {
    const { seqs, files } = keeper()
    await seqs.load()
    seqs.adopt({ [web]: 9 })
    expect(seqs.check(web, 8)).toBe(false)
    await seqs.flushed()
    expect((await files.readSeqs()).get(web)).toBe(9)
  })

  it('counts a revision for news only', () => {
    const { seqs } = keeper()
    seqs.check(web, 1)
    const { revision } = seqs
    seqs.check(web, 1)
    seqs.check(web, 0)
    expect(seqs.revision).toBe(revision)
    seqs.check(web, 2)
    expect(seqs.revision).toBe(revision + 1)
    expect(seqs.snapshot()).toEqual({ [web]: 2 })
  })

  it('reports a disk that cannot be written, goes on judging, and writes when asked again', async () => {
    const { seqs, files, faults } = keeper()
    const { writeSeqs } = files
    files.writeSeqs = async () => {
      throw new Error('no space left')
    }
    seqs.check(web, 2)
    await settle()
    expect(faults.list().map((fault) => fault.id)).toEqual(['SEQS_NOT_KEPT'])
    expect(seqs.check(web, 1)).toBe(false)
    files.writeSeqs = writeSeqs
    await seqs.flushed()
    expect(faults.list()).toEqual([])
    expect((await files.readSeqs()).get(web)).toBe(2)
  })

  it('writes what changed while a write was going on', async () => {
    const { seqs, files } = keeper()
    const written: number[] = []
    const releases: (() => void)[] = []
    files.writeSeqs = async (table) => {
      written.push(table.get(web) ?? -1)
      await new Promise<void>((resolve) => releases.push(resolve))
    }
    seqs.check(web, 1)
    seqs.check(web, 2)
    seqs.check(web, 3)
    releases.shift()?.()
    await settle()
    releases.shift()?.()
    await seqs.flushed()
    expect(written).toEqual([1, 3])
  })
})
