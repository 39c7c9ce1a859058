import { describe, expect, it } from 'vitest'
import { runCommand } from '../../../../src/adapters/process/command.ts'

const sh = (script: string, more: object = {}) =>
  runCommand({ file: '/bin/sh', args: ['-c', script], deadlineMs: 5000, ...more })

describe('a command', () => {
  it('gives exit code and both outputs', async () => {
    expect(await sh('echo out; echo err >&2; exit 3')).toMatchObject({
      kind: 'exited',
      exitCode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  it('gets its arguments untouched by a shell', async () => {
    const outcome = await runCommand({ file: '/bin/echo', args: ['$HOME', 'a b', '*'], deadlineMs: 5000 })
    expect(outcome).toMatchObject({ stdout: '$HOME a b *\n' })
  })

  it('gets a secret by environment, and nothing else of ours', async () => {
    process.env['PVC_TEST_LEAK'] = 'leaked'
    const outcome = await sh('echo "$SECRET$PVC_TEST_LEAK$LC_ALL"', { env: { SECRET: 's' } })
    delete process.env['PVC_TEST_LEAK']
    expect(outcome).toMatchObject({ stdout: 'sC\n' })
  })

  it('gets input by a pipe', async () => {
    expect(await sh('cat', { input: 'hello' })).toMatchObject({ kind: 'exited', exitCode: 0, stdout: 'hello' })
  })

  it('is killed at its deadline, also when it ignores SIGTERM', async () => {
    const outcome = await sh("trap '' TERM; echo $$; while :; do :; done", { deadlineMs: 200 })
    expect(outcome.kind).toBe('timeout')
    const pid = 'stdout' in outcome ? Number(outcome.stdout) : 0
    expect(pid).toBeGreaterThan(0)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('does not hold its caller when a child of it keeps its pipes open', async () => {
    const startMs = performance.now()
    const outcome = await sh('sleep 5 & wait', { deadlineMs: 200 })
    expect(outcome.kind).toBe('timeout')
    expect(performance.now() - startMs).toBeLessThan(4500)
  })

  it('is killed when its reason ends', async () => {
    const controller = new AbortController()
    const outcome = sh('exec sleep 5', { signal: controller.signal })
    controller.abort()
    expect(await outcome).toMatchObject({ kind: 'aborted' })
  })

  it('is ended when it prints without end', async () => {
    expect(await sh('while :; do echo yyyyyyyyyyyyyyyy; done', { maxOutputBytes: 1000 })).toMatchObject({
      kind: 'too-much-output',
    })
  })

  it('that dies by itself says of which signal', async () => {
    expect(await sh('kill -SEGV $$')).toMatchObject({ kind: 'signalled', signal: 'SIGSEGV' })
  })

  it('that does not exist is an outcome, too', async () => {
    expect(await runCommand({ file: '/no/such/tool', args: [], deadlineMs: 1000 })).toMatchObject({
      kind: 'not-started',
    })
  })
})
