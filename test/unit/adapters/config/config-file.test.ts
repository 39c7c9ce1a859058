import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { parseConfigText, readConfigFile } from '../../../../src/adapters/config/config-file.ts'

const GOOD = `
cluster:
  name: lab
  coordinators: [hv1, hv2, hv3]
node:
  clusterAddress: 10.0.0.1
  storageAddresses: [10.1.0.1]
zookeeper:
  servers:
    - 10.0.0.1:2181
ceph:
  secretUuid: bbbbbbbb-0000-4000-8000-000000000001
`

const problemsOf = (text: string) => {
  const result = parseConfigText(text, 'hv1.example')
  return 'problems' in result ? result.problems : []
}

it('fills in defaults and the host name, and freezes the whole', () => {
  const result = parseConfigText(GOOD, 'hv1.example')
  if (!('config' in result)) throw new Error(JSON.stringify(result.problems))
  expect(result.config).toMatchObject({ node: { name: 'hv1' }, paths: { run: '/run/pvc' }, api: { port: 7370 } })
  expect(Object.isFrozen(result.config.zookeeper.servers)).toBe(true)
})

it('names path and line of every wrong value at once', () => {
  const text = GOOD.replace('10.0.0.1:2181', 'zk1.example:2181').replace('10.0.0.1\n', 'hv1\n')
  expect(problemsOf(text)).toEqual([
    { path: 'node.clusterAddress', message: 'must be an IP address, not a name', line: 6 },
    { path: 'zookeeper.servers.0', message: 'must be IP:port', line: 10 },
  ])
})

it('refuses times that make fencing unsound, with the numbers', () => {
  const [problem] = problemsOf(`${GOOD}selfFence: { boundMs: 5000 }\n`)
  expect(problem).toMatchObject({ path: 'selfFence.boundMs', line: 13 })
  expect(problem?.message).toMatch(/^is 5000 ms, but must be at least \d+ ms: .* \(T4\)$/)
})

it.each([
  ['17 * * * *', true],
  ['*/15 0-6,22 1 JAN-MAR mon', true],
  ['hourly', false],
  ['0 17 * * * *', false],
  ['17 25 * * *', false],
  ['60 * * * *', false],
  ['0 0 31 2 *', false],
])('takes "%s" for a schedule of fence tests: %s', (schedule, isGood) => {
  const problems = problemsOf(`${GOOD}fencing: { testSchedule: '${schedule}' }\n`)
  expect(problems).toMatchObject(isGood ? [] : [{ path: 'fencing.testSchedule', line: 13 }])
})

it('points at the nearest parent of what is missing or unknown', () => {
  const unknown = problemsOf(`${GOOD}  usr: pvc\n`)
  expect(unknown).toMatchObject([{ path: 'ceph', line: 12, message: expect.stringContaining('usr') }])
  expect(problemsOf('cluster: {name: x, coordinators: [a]}\n').map((problem) => problem.path)).toContain('node')
  expect(problemsOf('')).not.toEqual([])
})

it('gives the line of broken YAML and of a key that stands twice', () => {
  expect(problemsOf('cluster:\n  name: "x\n')[0]).toMatchObject({ path: '' })
  expect(problemsOf('cluster: 1\ncluster: 2\n')).toMatchObject([
    { line: 2, message: expect.stringContaining('unique') },
  ])
})

it('reads a file, or fails with every problem in the message', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pvc-config-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'pvc.yaml')
  await writeFile(path, GOOD)
  expect((await readConfigFile(path, 'hv2')).node.name).toBe('hv2')
  await writeFile(path, GOOD.replace('[hv1, hv2, hv3]', '[]'))
  await expect(readConfigFile(path, 'hv2')).rejects.toMatchObject({
    code: 'PVC_CONFIG_INVALID',
    message: expect.stringContaining(`${path}:4: cluster.coordinators: `),
  })
  await expect(readConfigFile(join(directory, 'none'), 'hv2')).rejects.toMatchObject({ code: 'PVC_CONFIG_INVALID' })
})
