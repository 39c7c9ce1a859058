import { describe, expect, it } from 'vitest'
import { networks, vm, vms, webXml } from './cluster.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const list = { 'GET /vm': { json: vms }, 'GET /network': { json: networks } }
const info = { 'GET /vm/web': { json: [vm()] }, 'GET /network': { json: networks } }
const db = { 'GET /vm/db': { json: [vms[1]] }, 'GET /network': { json: networks } }

describe('pvc vm list, info, dump', () => {
  transcript('vm-list', [
    { title: 'All VMs', argv: ['vm', 'list'], routes: list },
    { title: 'On a terminal', argv: ['vm', 'list'], routes: list, isTty: true },
    { title: 'By name', argv: ['vm', 'list', 'web', '-f', 'raw'], routes: list },
    { title: 'Filters', argv: ['vm', 'list', '-t', 'hv1', '-s', 'start', '-g', 'prod', '-f', 'raw'], routes: list },
    { title: 'Filters turned round', argv: ['vm', 'list', '-n', '-g', 'prod', '-f', 'raw'], routes: list },
    {
      title: 'A network that does not exist',
      argv: ['--colour', 'vm', 'list'],
      routes: { 'GET /vm': { json: [vm()] }, 'GET /network': { json: [{ ...networks[0], vni: 200 }] } },
    },
    {
      title: 'Networks that cannot be had are no failure',
      argv: ['vm', 'list'],
      routes: { 'GET /vm': { json: [vm()] }, 'GET /network': { status: 404, json: { message: 'Network not found.' } } },
    },
    { title: 'None', argv: ['vm', 'list'], routes: { 'GET /vm': { json: [] }, 'GET /network': { json: [] } } },
    { title: 'None, for programs', argv: ['vm', 'list', '-f', 'json'], routes: { 'GET /vm': { json: [] } } },
    {
      title: 'A state that does not exist',
      argv: ['vm', 'list', '-s', 'on'],
      routes: { 'GET /vm': { status: 400, json: { message: { state: 'must be one of start, stop' } } } },
    },
  ])

  transcript('vm-info', [
    { title: 'Details', argv: ['vm', 'info', 'web'], routes: info },
    { title: 'All details', argv: ['vm', 'info', 'web', '-f', 'long'], routes: info },
    { title: 'A VM that failed away from home', argv: ['vm', 'info', 'db'], routes: db, isTty: true },
    {
      title: 'No such VM',
      argv: ['vm', 'info', 'nosuch'],
      routes: { 'GET /vm/nosuch': { status: 404, json: { message: 'VM not found.' } } },
    },
  ])

  transcript('vm-dump', [
    { title: 'To the terminal', argv: ['vm', 'dump', 'web'], routes: info },
    { title: 'To a file', argv: ['vm', 'dump', 'web', '-f', 'DIR/out.xml'], routes: info },
    {
      title: 'A definition that was written on one line',
      argv: ['-q', 'vm', 'dump', 'web'],
      routes: {
        'GET /vm/web': {
          json: [
            vm({
              xml: "<domain type='kvm'><name>web</name><devices><disk><target dev='a>b'/></disk></devices></domain>",
            }),
          ],
        },
      },
    },
    { title: 'To a file that cannot be written', argv: ['vm', 'dump', 'web', '-f', 'DIR/no/out.xml'], routes: info },
  ])

  it('writes the XML as it is', async () => {
    const { readFile } = await runCli({ argv: ['vm', 'dump', 'web', '-f', 'DIR/out.xml'], routes: info })
    expect(await readFile('out.xml')).toBe(`${webXml}\n`)
  })

  transcript('vm-parts', [
    { title: 'vCPUs', argv: ['vm', 'vcpu', 'get', 'web'], routes: info },
    { title: 'vCPUs for programs', argv: ['vm', 'vcpu', 'get', 'web', '-f', 'json'], routes: info },
    { title: 'Number of vCPUs', argv: ['-q', 'vm', 'vcpu', 'get', 'web', '-f', 'raw'], routes: info },
    { title: 'Memory', argv: ['vm', 'memory', 'get', 'web'], routes: info },
    { title: 'Memory for programs', argv: ['-q', 'vm', 'memory', 'get', 'web', '-f', 'json'], routes: info },
    { title: 'Amount of memory', argv: ['-q', 'vm', 'memory', 'get', 'web', '-f', 'raw'], routes: info },
    { title: 'Networks', argv: ['vm', 'network', 'get', 'web'], routes: info },
    { title: 'Networks for programs', argv: ['-q', 'vm', 'network', 'get', 'web', '-f', 'json'], routes: info },
    { title: 'Network numbers', argv: ['-q', 'vm', 'network', 'get', 'web', '-f', 'raw'], routes: info },
    { title: 'No networks', argv: ['vm', 'network', 'get', 'db'], routes: db },
    { title: 'Volumes', argv: ['vm', 'volume', 'get', 'web'], routes: info },
    { title: 'Volumes for programs', argv: ['-q', 'vm', 'volume', 'get', 'web', '-f', 'json'], routes: info },
    { title: 'Volume names', argv: ['-q', 'vm', 'volume', 'get', 'web', '-f', 'raw'], routes: info },
    {
      title: 'Tags',
      argv: ['vm', 'tag', 'get', 'web'],
      routes: { 'GET /vm/web/tags': { json: { name: 'web', tags: vm().tags } } },
    },
    {
      title: 'Tag names',
      argv: ['-q', 'vm', 'tag', 'get', 'web', '-f', 'raw'],
      routes: { 'GET /vm/web/tags': { json: { name: 'web', tags: vm().tags } } },
    },
  ])
})
