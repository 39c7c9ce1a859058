import { expect, it } from 'vitest'
import { shareNext } from '../../../src/base/share-next.ts'

function work() {
  let runs = 0
  const ends: ((error?: Error) => void)[] = []
  const call = shareNext(() => {
    runs += 1
    const run = runs
    return new Promise<number>((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve(run))))
  })
  return { call, ends, runs: () => runs }
}

it('gives everybody a run that began after the call, and shares it', async () => {
  const { call, ends, runs } = work()
  const first = call()
  const second = call()
  const third = call()
  expect(runs()).toBe(1)
  ends[0]?.()
  expect(await first).toBe(1)
  await new Promise((resolve) => setImmediate(resolve))
  expect(runs()).toBe(2)
  const fourth = call()
  ends[1]?.()
  expect(await Promise.all([second, third])).toEqual([2, 2])
  await new Promise((resolve) => setImmediate(resolve))
  ends[2]?.()
  expect(await fourth).toBe(3)
  expect(runs()).toBe(3)
})

it('goes on after a run that failed', async () => {
  const { call, ends } = work()
  const first = call()
  const second = call()
  ends[0]?.(new Error('no'))
  await expect(first).rejects.toThrow('no')
  await new Promise((resolve) => setImmediate(resolve))
  ends[1]?.()
  expect(await second).toBe(2)
  const third = call()
  ends[2]?.()
  expect(await third).toBe(3)
})
