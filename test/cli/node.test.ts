import { describe, expect, it } from 'vitest'
import { node, nodes } from './cluster.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const list = { 'GET /node': { json: nodes } }
const info = { 'GET /node/hv1': { json: [node()] } }

describe('pvc node', () => {
  transcript('node-list', [
    { title: 'All nodes, by name', argv: ['node', 'list'], routes: list },
    { title: 'Colours on a terminal', argv: ['node', 'list'], routes: list, isTty: true },
    { title: 'NO_COLOR', argv: ['node', 'list', 'hv1'], routes: list, isTty: true, env: { NO_COLOR: '1' } },
    { title: 'Colours by force', argv: ['-q', '--colour', 'node', 'list'], routes: list },
    {
      title: 'Filters',
      argv: ['node', 'list', '-ds', 'run', '-cs', 'primary', '-vs', 'ready', '-f', 'raw'],
      routes: list,
    },
    { title: 'Names', argv: ['-q', 'node', 'list', '-f', 'raw'], routes: list },
    { title: 'None', argv: ['node', 'list', 'nosuch'], routes: { 'GET /node': { json: [] } } },
    {
      title: 'None, as older servers say it',
      argv: ['node', 'list', 'nosuch'],
      routes: { 'GET /node': { status: 404, json: { message: 'Node not found.' } } },
    },
  ])

  transcript('node-info', [
    { title: 'Details', argv: ['node', 'info', 'hv1'], routes: info },
    { title: 'All details of this machine', argv: ['node', 'info', '-f', 'long'], routes: info },
    {
      title: 'It could not be fenced',
      argv: ['-q', 'node', 'info', 'hv1'],
      routes: {
        'GET /node/hv1': {
          json: [
            node({
              fence_test: {
                grade: 'unready',
                tested_at: 0,
                problems: ['the BMC refuses the login'],
                coordinator_problems: ['hv2: Its addresses cannot be kept from writing to Ceph: denied.'],
              },
            }),
          ],
        },
      },
    },
    {
      title: 'It was never tested',
      argv: ['-q', 'node', 'info', 'hv1'],
      routes: { 'GET /node/hv1': { json: [node({ fence_test: null })] } },
    },
    {
      title: 'An answer that is an object',
      argv: ['-q', 'node', 'info', 'hv1', '-f', 'json'],
      routes: { 'GET /node/hv1': { json: { name: 'hv1', interfaces: {}, health_plugins: [] } } },
    },
    {
      title: 'No such node',
      argv: ['node', 'info', 'hv9'],
      routes: { 'GET /node/hv9': { status: 404, json: { message: 'Node not found.' } } },
    },
  ])

  transcript('node-is-primary', [
    {
      title: 'It is',
      argv: ['node', 'is-primary', 'hv1'],
      routes: { 'GET /status/primary_node': { json: { primary_node: 'hv1' } } },
    },
    {
      title: 'This machine is not',
      argv: ['node', 'is-primary'],
      hostname: 'hv2',
      routes: { 'GET /status/primary_node': { json: { primary_node: 'hv1' } } },
    },
  ])

  it('keeps JSON as the server sent it', async () => {
    const { stdout } = await runCli({ argv: ['-q', 'node', 'list', '-f', 'json-pretty'], routes: list })
    expect(stdout).toBe(`${JSON.stringify(nodes, undefined, 2)}\n`)
  })
})
