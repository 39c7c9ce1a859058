import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { completionScript, SHELLS } from '../../src/cli/completion-script.ts'
import { nodes, pools, vms, volume } from './cluster.ts'
import { realClock, runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const routes = {
  'GET /vm': { json: vms },
  'GET /node': { json: nodes },
  'GET /storage/ceph/pool': { json: pools },
  'GET /storage/ceph/volume': { json: [volume('web_sda', '1G'), volume('db_sda', '1G')] },
}

/** Candidates for the last of the words, without their meanings. */
async function complete(...words: string[]): Promise<string[]> {
  const { stdout, stderr, exitCode } = await runCli({ argv: ['__complete', ...words], routes, clock: realClock })
  expect([stderr, exitCode]).toEqual(['', 0])
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0] ?? '']))
}

describe('completion', () => {
  it('knows the commands', async () => {
    expect(await complete('')).toEqual([
      'node',
      'vm',
      'network',
      'storage',
      'provisioner',
      'cluster',
      'connection',
      'completion',
    ])
    expect(await complete('vm', 'sh')).toEqual(['shutdown'])
    expect(await complete('vm', 'vcpu', '')).toEqual(['get', 'set'])
    expect(await complete('-q', '-c', 'test', 'storage', 'p')).toEqual(['pool'])
    expect(await complete('nosuch', '')).toEqual([])
  })

  it('knows options and their values', async () => {
    expect(await complete('vm', 'start', '--')).toEqual(['--force', '--wait', '--timeout'])
    expect(await complete('vm', 'list', '-f', 'json')).toEqual(['json', 'json-pretty'])
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(await complete('vm', 'define', '-t', 'hv')).toEqual(['hv2', 'hv1'])
    expect(await complete('-c', '')).toEqual(['local', 'test'])
    expect(await complete('vm', 'dump', 'web', '-f', '/tmp/')).toEqual([':file'])
  })

  it('knows names', async () => {
    expect(await complete('vm', 'start', '')).toEqual(['web', 'db', 'archive-server'])
    expect(await complete('vm', 'start', '-w', 'd')).toEqual(['db'])
    expect(await complete('vm', 'list', 'w')).toEqual(['web'])
    expect(await complete('node', 'info', 'hyp')).toEqual(['hypervisor10'])
    expect(await complete('storage', 'volume', 'remove', '')).toEqual(['vms'])
    expect(await complete('storage', 'volume', 'remove', 'vms', 'web')).toEqual(['web_sda'])
    expect(await complete('connection', 'remove', '')).toEqual(['local', 'test'])
    expect(await complete('vm', 'define', '')).toEqual([':file'])
    expect(await complete('vm', 'start', 'web', '')).toEqual([])
  })

  it('says nothing when the cluster does not answer', async () => {
    const run = await runCli({ argv: ['__complete', 'vm', 'start', ''], routes: {}, clock: realClock })
    expect([run.stdout, run.stderr, run.exitCode]).toEqual(['', '', 0])
    const none = await runCli({ argv: ['__complete', 'vm', 'start', ''], isBare: true, clock: realClock })
    expect([none.stdout, none.stderr, none.exitCode]).toEqual(['', '', 0])
  })

  transcript('completion', [
    ...SHELLS.map((shell) => ({ title: shell, argv: ['completion', shell], isBare: true })),
    { title: 'A shell that is not known', argv: ['completion', 'csh'], isBare: true },
  ])

  it('prints a script that bash can use', () => {
    const script = `pvc() { printf '%s\\n' "$#:$1:$2:$3" $'start\\tStart a VM.'; }
${completionScript('bash')}
COMP_WORDS=(pvc vm st); COMP_CWORD=2; _pvc; printf '%s|' "\${COMPREPLY[@]}"`
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8', timeout: 5000 })).toBe('3:__complete:vm:st|start|')
  })
})
