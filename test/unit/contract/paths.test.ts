import { describe, expect, it } from 'vitest'
import { pathArguments, ROUTES, type RouteId, routeAddress, routePath } from '../../../src/contract/paths.ts'
import { CONTRACT } from '../../../src/contract/routes.ts'

const IDS = Object.keys(ROUTES) as RouteId[]

describe('the contract', () => {
  it('has a definition for every address', () => {
    expect(Object.keys(CONTRACT).sort()).toEqual([...IDS].sort())
  })

  it('serves no method and path twice', () => {
    const places = IDS.map((id) => `${routeAddress(id).method} ${routeAddress(id).path.replace(/\{\w+\}/g, '{}')}`)
    expect(new Set(places).size).toBe(places.length)
  })

  it.each(IDS)('%s declares its path and form arguments', (id) => {
    const declared = Object.keys(CONTRACT[id].input.shape)
    for (const name of [...pathArguments(id), ...(routeAddress(id).form ?? [])]) expect(declared).toContain(name)
  })

  it('lets only reads be done by readers', () => {
    for (const id of IDS) {
      const { method, access } = routeAddress(id)
      if (method !== 'GET') expect(['operator', 'admin']).toContain(access)
    }
  })
})

describe('routePath', () => {
  it('fills and encodes path arguments', () => {
    expect(routePath('volumeInfo', { pool: 'vms', volume: 'a/b c' })).toBe('/api/v1/storage/ceph/volume/vms/a%2Fb%20c')
    expect(routePath('vmList', {})).toBe('/api/v1/vm')
    expect(() => routePath('vmInfo', {})).toThrow('needs the argument vm')
  })
})
