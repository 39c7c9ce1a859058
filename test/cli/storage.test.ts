import { describe } from 'vitest'
import { pools, volume } from './cluster.ts'
import { transcript } from './transcript.ts'

const volumes = [volume('web_sda', '20G'), volume('db_sda', '512M')]
const done = { json: { message: 'Done.' } }

describe('pvc storage', () => {
  transcript('storage-pool', [
    { title: 'List', argv: ['storage', 'pool', 'list'], routes: { 'GET /storage/ceph/pool': { json: pools } } },
    {
      title: 'List for programs',
      argv: ['-q', 'storage', 'pool', 'list', 'vms', '-f', 'json'],
      routes: { 'GET /storage/ceph/pool': { json: pools } },
    },
    {
      title: 'Add',
      argv: 'storage pool add tpool 64 -t ssd --replcfg copies=3,mincopies=2'.split(' '),
      routes: { 'POST /storage/ceph/pool': done },
    },
    {
      title: 'Add with defaults',
      argv: ['storage', 'pool', 'add', 'vms', '32'],
      routes: { 'POST /storage/ceph/pool': done },
    },
    { title: 'A tier that does not exist', argv: ['storage', 'pool', 'add', 'vms', '32', '-t', 'tape'] },
  ])

  transcript('storage-volume', [
    { title: 'List', argv: ['storage', 'volume', 'list'], routes: { 'GET /storage/ceph/volume': { json: volumes } } },
    {
      title: 'List of a pool',
      argv: ['storage', 'volume', 'list', 'web', '-p', 'vms', '-f', 'raw'],
      routes: { 'GET /storage/ceph/volume': { json: volumes } },
    },
    {
      title: 'None, as older servers say it',
      argv: ['storage', 'volume', 'list', 'nosuch'],
      routes: { 'GET /storage/ceph/volume': { status: 404, json: { message: 'Volume not found.' } } },
    },
    {
      title: 'Add',
      argv: ['storage', 'volume', 'add', 'vms', 'tvol', '10G'],
      routes: { 'POST /storage/ceph/volume': done },
    },
    {
      title: 'Add by force',
      argv: ['storage', 'volume', 'add', 'vms', 'tvol', '10G', '-f'],
      routes: { 'POST /storage/ceph/volume': done },
    },
    {
      title: 'Resize',
      argv: ['storage', 'volume', 'resize', 'vms', 'tvol', '20G', '-y'],
      routes: { 'PUT /storage/ceph/volume/vms/tvol': done },
    },
    { title: 'Resize declined', argv: ['storage', 'volume', 'resize', 'vms', 'tvol', '20G'], answers: ['n'] },
    {
      title: 'Remove',
      argv: ['storage', 'volume', 'remove', 'vms', 'tvol', '-y'],
      routes: { 'DELETE /storage/ceph/volume/vms/tvol': done },
    },
    { title: 'Remove unconfirmed', argv: ['storage', 'volume', 'remove', 'vms', 'tvol'] },
  ])
})
