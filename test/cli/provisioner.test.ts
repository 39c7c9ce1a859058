import { describe } from 'vitest'
import { transcript } from './transcript.ts'

const done = { json: { message: 'Done.' } }
const documents = [
  { id: 1, name: 'ud1', userdata: '#cloud-config\npackages:\n  - vim\n  - less\n  - tmux\n' },
  { id: 2, name: 'ud2', userdata: '#cloud-config\n' },
]
const edited = {
  'GET /provisioner/userdata/ud1': { json: documents.slice(0, 1) },
  'PUT /provisioner/userdata/ud1': done,
}
const none = 'N/A'
const parts = { system_template: none, network_template: none, storage_template: none, script: none, ova: none }
const profiles = [{ id: 1, name: 'prof1', type: 'provisioner', userdata: 'ud1', arguments: [], ...parts }]

describe('pvc provisioner', () => {
  transcript('provisioner', [
    {
      title: 'Documents',
      argv: 'provisioner userdata list'.split(' '),
      routes: { 'GET /provisioner/userdata': { json: documents } },
    },
    {
      title: 'Whole documents',
      argv: 'provisioner userdata list ud1 -l'.split(' '),
      routes: { 'GET /provisioner/userdata': { json: documents.slice(0, 1) } },
    },
    {
      title: 'One document',
      argv: 'provisioner userdata show ud1'.split(' '),
      routes: { 'GET /provisioner/userdata/ud1': { json: documents.slice(0, 1) } },
    },
    {
      title: 'Another text, from a file',
      argv: 'provisioner userdata modify ud1 DIR/new.yaml'.split(' '),
      files: { 'new.yaml': '#cloud-config\n' },
      routes: edited,
    },
    {
      title: 'In the editor',
      argv: 'provisioner userdata modify ud1 -e'.split(' '),
      answers: ['y'],
      edits: (text) => text.replace('vim', 'emacs'),
      routes: edited,
    },
    {
      title: 'In the editor, nothing',
      argv: 'provisioner userdata modify ud1 -e'.split(' '),
      answers: [],
      routes: edited,
    },
    {
      title: 'In the editor, and thought better of: the text is kept',
      argv: 'provisioner userdata modify ud1 -e'.split(' '),
      answers: ['n'],
      edits: (text) => text.replace('vim', 'emacs'),
      routes: edited,
    },
    {
      title: 'In the editor, confirmed beforehand',
      argv: 'provisioner userdata modify ud1 -e -y'.split(' '),
      answers: [],
      edits: (text) => `${text}  - git\n`,
      routes: edited,
    },
    { title: 'Neither file nor editor', argv: 'provisioner userdata modify ud1'.split(' ') },
    { title: 'Both', argv: 'provisioner userdata modify ud1 DIR/new.yaml -e'.split(' ') },
    { title: 'An editor without a terminal', argv: 'provisioner userdata modify ud1 -e'.split(' '), routes: edited },
    {
      title: 'Removal',
      argv: 'provisioner userdata remove ud1 -y'.split(' '),
      routes: { 'DELETE /provisioner/userdata/ud1': done },
    },
    {
      title: 'Profiles',
      argv: 'provisioner profile list'.split(' '),
      routes: { 'GET /provisioner/profile': { json: profiles } },
    },
    {
      title: 'A new profile',
      argv: 'provisioner profile add prof1 -u ud1'.split(' '),
      routes: { 'POST /provisioner/profile': done },
    },
    {
      title: 'A profile without user data',
      argv: ['provisioner', 'profile', 'modify', 'prof1', '-u', ''],
      routes: { 'PUT /provisioner/profile/prof1': done },
    },
    { title: 'A change of nothing', argv: 'provisioner profile modify prof1'.split(' ') },
  ])
})
