import { defineConfig } from 'vitest/config'

/** Files that prove the tree and the tests themselves; never collected as tests. */
const exclude = ['**/node_modules/**', 'dist/**', 'test/data/**']

/** A project of quick tests: no daemon, no network but loopback, parallel files. */
function quick(name: string, pool: 'threads' | 'forks' = 'threads', timeoutMs = 10_000) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      exclude,
      pool,
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
    },
  }
}

/**
 * A project of tests that start real daemons: two files at a time, because they mostly wait, each in its own process, so that
 * a crash in native code is seen. Not at the same time as others: `groupOrder` differs.
 */
function real(name: string, include: readonly string[], timeoutMs: number, groupOrder: number) {
  return {
    test: {
      name,
      include: [...include],
      exclude,
      pool: 'forks' as const,
      maxWorkers: 2,
      sequence: { concurrent: false, groupOrder },
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      teardownTimeout: 30_000,
    },
  }
}

export default defineConfig({
  test: {
    // A suite that collected nothing must fail: an empty run is not a pass.
    passWithNoTests: false,
    allowOnly: false,
    projects: [
      quick('unit'),
      quick('scenario'),
      quick('api'),
      quick('cli'),
      quick('sim'),
      // The parser of these is native code that crashes when two threads load it at once.
      // They read the whole repository, which takes a busy machine a while.
      quick('arch', 'forks', 60_000),
      real('contract', ['test/contract/**/*.test.ts', 'test/native/**/*.test.ts'], 120_000, 1),
      real('lab', ['test/lab/stories/**/*.lab.ts'], 600_000, 2),
    ],
  },
})
