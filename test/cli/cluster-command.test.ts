import { describe } from 'vitest'
import { status } from './cluster.ts'
import { transcript } from './transcript.ts'

const routes = { 'GET /status': { json: status } }
const maintained = {
  ...status,
  maintenance: 'true',
  maintenance_detail: { since: Date.UTC(2026, 10, 20, 12), by: 'admin', reason: 'new switch' },
}

describe('pvc cluster', () => {
  transcript('cluster-status', [
    { title: 'Everything', argv: ['cluster', 'status'], routes },
    { title: 'On a terminal', argv: ['cluster', 'status'], routes, isTty: true },
    { title: 'Health only', argv: ['cluster', 'status', '-f', 'short'], routes },
    {
      title: 'In maintenance',
      argv: ['cluster', 'status', '-f', 'short'],
      routes: { 'GET /status': { json: maintained } },
    },
    {
      title: 'An older server in maintenance, without primary',
      argv: ['cluster', 'status'],
      routes: {
        'GET /status': {
          json: {
            ...status,
            cluster_health: { health: -1, messages: [] },
            maintenance: 'true',
            maintenance_detail: undefined,
            primary_node: '',
          },
        },
      },
    },
  ])

  transcript('cluster-maintenance', [
    { title: 'On', argv: ['cluster', 'maintenance', 'on'], routes: { 'POST /status': { json: { message: 'On.' } } } },
    {
      title: 'On, with the reason',
      argv: ['cluster', 'maintenance', 'on', '--reason', 'new switch'],
      routes: { 'POST /status': { json: { message: 'On.' } } },
    },
    {
      title: 'Off',
      argv: ['cluster', 'maintenance', 'off'],
      routes: { 'POST /status': { json: { message: 'Off.' } } },
    },
    {
      title: 'Not allowed',
      argv: ['cluster', 'maintenance', 'on'],
      routes: { 'POST /status': { status: 403, json: { message: 'This needs the role admin.' } } },
    },
  ])
})
