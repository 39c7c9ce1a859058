import { describe } from 'vitest'
import { oldVm, vm, webXml } from './cluster.ts'
import { transcript } from './transcript.ts'

const modified = webXml.replace("'static'>2<", "'static'>4<").replace('2097152</memory>', '4194304</memory>')
const files = { 'same.xml': `${webXml}\n`, 'new.xml': `${modified}\n`, 'bad.xml': webXml.replace('</cpu>', '') }
const routes = {
  'GET /vm/web': { json: [vm()] },
  'PUT /vm/web': { json: { message: "Modified VM 'web'." } },
}
const off = { ...routes, 'GET /vm/web': { json: [vm({ state: 'stop' })] } }

describe('pvc vm modify', () => {
  transcript('vm-modify', [
    { title: 'Confirmed beforehand', argv: ['vm', 'modify', 'web', 'DIR/new.xml', '-y'], files, routes },
    { title: 'With a restart', argv: ['vm', 'modify', 'web', 'DIR/new.xml', '-r', '-y'], files, routes },
    { title: 'Asked', argv: ['vm', 'modify', 'web', 'DIR/new.xml', '-r'], answers: ['y', 'y'], files, routes },
    {
      title: 'Changed but not restarted',
      argv: ['vm', 'modify', 'web', 'DIR/new.xml', '-r', '-d'],
      answers: ['n'],
      files,
      routes,
    },
    { title: 'Declined', argv: ['vm', 'modify', 'web', 'DIR/new.xml'], answers: ['n'], files, routes },
    { title: 'Nobody to ask', argv: ['vm', 'modify', 'web', 'DIR/new.xml'], files, routes },
    {
      title: 'Nobody to ask about the restart',
      argv: ['vm', 'modify', 'web', 'DIR/new.xml', '-d', '-r'],
      files,
      routes,
    },
    { title: 'No difference', argv: ['vm', 'modify', 'web', 'DIR/same.xml'], files, routes },
    { title: 'On a terminal', argv: ['vm', 'modify', 'web', 'DIR/new.xml', '-y'], isTty: true, files, routes },
    { title: 'XML that is wrong', argv: ['vm', 'modify', 'web', 'DIR/bad.xml', '-y'], files, routes },
    {
      title: 'In the editor',
      argv: ['vm', 'modify', 'web', '-e'],
      answers: ['y'],
      edits: (text) => text.replace('our web server', 'their web server'),
      routes,
    },
    { title: 'In the editor, nothing', argv: ['vm', 'modify', 'web', '-e'], answers: [], routes },
    {
      title: 'In the editor, refused by the server: the text is kept',
      argv: ['vm', 'modify', 'web', '-e', '-y'],
      answers: [],
      edits: (text) => text.replace('our web server', 'their web server'),
      routes: {
        ...routes,
        'PUT /vm/web': { status: 409, json: { message: "VM 'web' has version 8, not 7; read it again." } },
      },
    },
    { title: 'Neither file nor editor', argv: ['vm', 'modify', 'web'] },
    { title: 'An editor without a terminal', argv: ['vm', 'modify', 'web', '-e'], routes },
  ])

  transcript('vm-set', [
    { title: 'vCPUs', argv: ['vm', 'vcpu', 'set', 'web', '4', '-R'], routes },
    { title: 'vCPUs with a topology', argv: ['vm', 'vcpu', 'set', 'web', '8', '-t', '2,2,2', '-R'], routes },
    { title: 'A topology that does not fit', argv: ['vm', 'vcpu', 'set', 'web', '4', '-t', '2,2,2', '-R'], routes },
    { title: 'A number that is none', argv: ['vm', 'vcpu', 'set', 'web', 'four'], routes },
    { title: 'Memory', argv: ['vm', 'memory', 'set', 'web', '4096', '-R'], routes },
    { title: 'Memory with a restart', argv: ['vm', 'memory', 'set', 'web', '4096', '-r', '-y'], routes },
    {
      title: 'A restart asked for and declined',
      argv: ['vm', 'memory', 'set', 'web', '4096', '-r'],
      answers: ['n'],
      routes,
    },
    { title: 'Asked whether to restart', argv: ['vm', 'memory', 'set', 'web', '4096'], answers: ['y'], routes },
    { title: 'Not restarted unasked', argv: ['vm', 'memory', 'set', 'web', '4096'], routes },
    {
      title: 'A VM that is off needs no question',
      argv: ['vm', 'memory', 'set', 'web', '4096'],
      answers: [],
      routes: off,
    },
    {
      title: 'A server that has no versions',
      argv: ['-q', 'vm', 'memory', 'set', 'web', '4096', '-R'],
      routes: { ...routes, 'GET /vm/web': { json: [oldVm()] } },
    },
  ])
})
