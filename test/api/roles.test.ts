import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROUTES, type RouteId, routeAddress } from '../../src/contract/paths.ts'
import { startCluster, type TestCluster } from './cluster.ts'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await startCluster()
})
afterAll(() => cluster.close())

const ROUTE_IDS = Object.keys(ROUTES) as RouteId[]
const url = (id: RouteId) => routeAddress(id).path.replace(/\{\w+\}/g, 'x')

describe('every route', () => {
  it.each(ROUTE_IDS)('%s needs one, unless it is open to anyone', async (id) => {
    const { status } = await cluster.call(routeAddress(id).method, url(id), {}, { token: null })
    if (routeAddress(id).access === 'anyone') expect(status).not.toBe(401)
    else expect(status).toBe(401)
  })

  it.each(ROUTE_IDS)('%s asks for its role', async (id) => {
    const rank = ['anyone', 'read-only', 'operator', 'admin']
    for (const role of ['read-only', 'operator', 'admin'] as const) {
      const { status } = await cluster.call(routeAddress(id).method, url(id), {}, { token: cluster.tokens[role] })
      const isAllowed = rank.indexOf(role) >= rank.indexOf(routeAddress(id).access)
      if (isAllowed) expect(status).not.toBe(403)
      else expect(status).toBe(403)
    }
  })
})
