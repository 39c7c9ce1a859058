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
 * A project of tests that start real daemons: each file in its own process, so that a crash in native code is seen, and not
 * beside other projects (`groupOrder`). Files that mostly wait may run beside each other (`workers`).
 */
function real(name: string, include: readonly string[], timeoutMs: number, groupOrder: number, workers: number) {
  return {
    test: {
      name,
      include: [...include],
      exclude,
      pool: 'forks' as const,
      maxWorkers: workers,
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
      real('contract', ['test/contract/**/*.test.ts', 'test/native/**/*.test.ts'], 120_000, 1, 2),
      // One lab fills two processors: beside another, a daemon that is killed starts again too late for its session.
      real('lab', ['test/lab/stories/**/*.lab.ts'], 600_000, 2, 1),
    ],
  },
})
