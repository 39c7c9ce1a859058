/** The program against the real API of a cluster of fakes, over a socket: both sides of the contract at once. */
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LifeId, NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { startCluster, type TestCluster, vmXml } from '../api/cluster.ts'
import { type RunOptions, realClock, runCli } from './pvc-run.ts'

let cluster: TestCluster
let port = 0

beforeEach(async () => {
  cluster = await startCluster()
  await cluster.app.listen({ host: '127.0.0.1', port: 0 })
  port = (cluster.app.server.address() as AddressInfo).port
})
afterEach(() => cluster.close())

type More = Pick<RunOptions, 'clock' | 'input' | 'files'> & { readonly key?: string | null }

async function pvc(command: string, { key = cluster.tokens.admin, files, ...more }: More = {}) {
  const entry = { description: 'Real', host: '127.0.0.1', port, scheme: 'http', api_key: key }
  const run = await runCli({
    argv: ['-q', ...command.split(' ')],
    isBare: true,
    env: { PVC_CONNECTION: 'real' },
    files: { ...files, 'pvc.json': JSON.stringify({ real: entry }) },
    ...more,
  })
  return { code: run.exitCode, out: run.stdout, err: run.stderr }
}

/** Acts as the node once the wish is there: carries it out. */
async function carryOut(power: string, phase: 'running' | 'off'): Promise<void> {
  await expect.poll(() => cluster.spec('web').power, { timeout: 5000, interval: 5 }).toBe(power)
  await cluster.report('web', (status, spec) => ({
    run: phase === 'running' ? { node: NodeName.parse('hv1'), life: LifeId.parse('l'), holder: null } : null,
    seq: status.seq + 1,
    phase,
    observedGeneration: spec.generation,
    done: spec.wishes,
  }))
}

const define = () => pvc('vm define -t hv1 -g prod -', { input: vmXml('web') })

describe('pvc and pvcapid', () => {
  it('show nodes, status and storage', async () => {
    expect(await pvc('node list -f raw')).toEqual({ code: 0, out: 'hv1\nhv2\nhv3\n', err: '' })
    expect((await pvc('node list')).out).toMatch(
      /^Nodes -+ {2}Resources -+ {2}Memory \(M\) -+\nName +Version[^\n]*\nhv1 +2\.0\.0 +100% +run /,
    )
    expect((await pvc('node info hv2 -f long')).out).toContain('Kernel Version:        6.1.0-18-amd64')
    expect((await pvc('cluster status')).out).toContain('3/3 run,ready')
    expect(await pvc('storage volume add vms data 1G')).toMatchObject({ code: 0, err: '' })
    expect(await pvc('storage volume list -f raw')).toEqual({ code: 0, out: 'data\n', err: '' })
    expect((await pvc('storage volume resize vms data 2G -y')).code).toBe(0)
    expect((await pvc('storage volume remove vms data -y')).code).toBe(0)
    expect((await pvc('storage pool list')).out).toContain('vms')
  })

  it('define, show, change and remove a VM', async () => {
    expect((await define()).code).toBe(0)
    expect((await pvc('vm list')).out).toMatch(/\nweb +stop +prod +0 +100 +2048 +2 +hv1 +no\n$/)
    expect((await pvc('vm memory set web 4096 -R')).err).toBe('')
    expect(await pvc('vm memory get web -f raw')).toEqual({ code: 0, out: '4096\n', err: '' })
    expect((await pvc('vm vcpu set web 4 -t 2,2,1 -R')).code).toBe(0)
    expect((await pvc('vm vcpu get web -f json')).out).toBe(
      '{"name": "web", "vcpus": 4, "sockets": "2", "cores": "2", "threads": "1"}\n',
    )
    expect((await pvc('vm meta web -l hv1,hv2 -s mem')).code).toBe(0)
    expect((await pvc('vm info web')).out).toMatch(/Node Limit: +hv1, hv2\nNode Selector: +mem\n/)
    expect((await pvc('vm tag get web -f raw')).out).toBe('prod\n')
    expect((await pvc('vm modify web DIR/web.xml -y', { files: { 'web.xml': vmXml('web', { vcpu: 2 }) } })).code).toBe(
      0,
    )
    const { generation = 0 } = (await cluster.session.get(tree.cluster))?.value ?? {}
    await cluster.reign(NodeName.parse('hv1'), { maintenanceSeen: generation + 1 })
    expect((await pvc('cluster maintenance on --reason why')).code).toBe(0)
    expect((await pvc('cluster status -f short')).out).toMatch(/maintenance on\)\nMaintenance: +since .* by .*: why\n/)
    expect((await pvc('vm undefine web -y')).code).toBe(0)
    expect((await pvc('vm list -f json')).out).toBe('[]\n')
  })

  it('wait for a VM', async () => {
    await define()
    const [started] = await Promise.all([pvc('vm start web -w', { clock: realClock }), carryOut('on', 'running')])
    expect(started).toEqual({ code: 0, out: `Starting VM 'web'.\nStarted VM "web".\n`, err: '' })
    const [down] = await Promise.all([pvc('vm shutdown web -w -y', { clock: realClock }), carryOut('off', 'off')])
    expect(down).toMatchObject({ code: 0, out: expect.stringMatching(/\nShut down VM "web"\.\n$/), err: '' })
  })

  it('move a VM, wait for it, and say why', async () => {
    await define()
    await Promise.all([pvc('vm start web -w', { clock: realClock }), carryOut('on', 'running')])
    expect((await pvc('vm migrate web --dry-run')).out).toMatch(
      /^VM 'web' would be migrated to node 'hv2'\.\n\nNode +Choice +Score +Reason\nhv1 +no +- +the VM is there now\nhv2 +chosen /,
    )
    const arrives = async () => {
      await expect.poll(() => cluster.spec('web').node, { timeout: 5000, interval: 5 }).toBe('hv2')
      await cluster.report('web', (status, spec) => ({
        run: { node: NodeName.parse('hv2'), life: LifeId.parse('l'), holder: null },
        seq: status.seq + 1,
        observedGeneration: spec.generation,
      }))
    }
    const [moved] = await Promise.all([pvc('vm migrate web -w', { clock: realClock }), arrives()])
    const done = /^Migrating VM 'web' to node 'hv2'\.\nMigrated VM "web" to node hv2 in \d+\.\d s\.\n$/
    expect(moved).toMatchObject({ code: 0, out: expect.stringMatching(done), err: '' })
    expect((await pvc('vm info web')).out).toMatch(/Current Node: +hv2\nPrevious Node: +hv1\n/)
    expect((await pvc('vm why web')).out).toMatch(/ migrate from hv1: hv2, best by mem, first by name: /)
    expect((await pvc('vm migrate web')).err).toMatch(/migrated already, from node 'hv1'/)
    expect((await pvc('vm tag add web x')).code).toBe(0)
    expect((await pvc('vm tag remove web x')).code).toBe(0)
    expect((await pvc('vm meta web --priority 90 --group db')).code).toBe(0)
    expect((await pvc('vm meta web --group=')).code).toBe(0)
    expect((await pvc('vm info web')).out).toMatch(/Start Priority: +90\nAnti-Affinity: +none\n/)
  })

  it('say what is wrong', async () => {
    expect(await pvc('vm info nosuch')).toMatchObject({ code: 1, err: expect.stringMatching(/^VM.*not found\.\n$/) })
    expect(await pvc('vm list -s on')).toMatchObject({ code: 1, err: expect.stringMatching(/^state must be one of /) })
    expect(await pvc('node list', { key: null })).toMatchObject({
      code: 1,
      err: expect.stringMatching(/pvc connection add/),
    })
    expect(await pvc('cluster maintenance on', { key: cluster.tokens.operator })).toMatchObject({ code: 1 })
  })
})
