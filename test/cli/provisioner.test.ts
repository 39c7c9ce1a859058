import { describe } from 'vitest'
import { transcript } from './transcript.ts'

const done = { json: { message: 'Done.' } }
const documents = [
  { id: 1, name: 'ud1', userdata: '#cloud-config\npackages:\n  - vim\n  - less\n  - tmux\n' },
  { id: 2, name: 'ud2', userdata: '#cloud-config\n' },
]
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
