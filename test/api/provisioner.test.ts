/** User data documents, and the profiles that name them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startCluster, type TestCluster } from './cluster.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const TEXT = '#cloud-config\npackages:\n  - vim'
const addUserData = (name = 'ud1', data = TEXT) => cluster.call('POST', '/provisioner/userdata', { name, data })
const addProfile = (args = {}) =>
  cluster.call('POST', '/provisioner/profile', { name: 'prof1', profile_type: 'provisioner', ...args })
const list = async (what: string) => (await cluster.call('GET', `/provisioner/${what}`)).body

describe('user data documents', () => {
  it('are added, shown, changed and removed as ever', async () => {
    expect(await addUserData()).toMatchObject({ status: 200, body: { message: 'Created userdata document "ud1".' } })
    expect(await list('userdata')).toEqual([{ id: 1, name: 'ud1', userdata: TEXT }])
    const path = '/provisioner/userdata/ud1'
    const changed = await cluster.call('PUT', path, { name: 'ud1', data: '#cloud-config' })
    expect(changed.body).toEqual({ message: 'Updated userdata document "ud1".' })
    expect((await cluster.call('GET', path)).body).toEqual([{ id: 1, name: 'ud1', userdata: '#cloud-config' }])
    await cluster.call('POST', '/provisioner/userdata/ud2', { data: TEXT })
    expect(await list('userdata')).toMatchObject([{ id: 1 }, { id: 2, name: 'ud2' }])
    expect((await cluster.call('DELETE', path)).body).toEqual({ message: 'Removed userdata document "ud1".' })
    expect(await list('userdata')).toMatchObject([{ name: 'ud2' }])
  })

  it('are refused with a name that is none, without text, twice, and too long', async () => {
    await addUserData()
    expect((await addUserData()).status).toBe(400)
    for (const [name, data] of [
      ['a/b', TEXT],
      ['..', TEXT],
      ['', TEXT],
      ['ud2', ''],
      ['ud2', 'x'.repeat(16_385)],
    ])
      expect((await addUserData(name, data)).status).toBe(400)
    expect(await list('userdata')).toHaveLength(1)
    expect((await cluster.call('GET', '/provisioner/userdata/none')).status).toBe(404)
    expect((await cluster.call('PUT', '/provisioner/userdata/none', { data: TEXT })).status).toBe(404)
    expect((await cluster.call('DELETE', '/provisioner/userdata/none')).status).toBe(404)
  })
})

describe('profiles', () => {
  it('name a document that exists, and keep it from being removed', async () => {
    expect((await addProfile({ userdata: 'ud1' })).status).toBe(400)
    await addUserData()
    expect((await addProfile({ userdata: 'ud1' })).body).toEqual({ message: 'Created VM profile "prof1".' })
    const shown = { id: 1, name: 'prof1', type: 'provisioner', userdata: 'ud1', script: 'N/A', arguments: [] }
    expect(await list('profile')).toMatchObject([shown])
    const kept = await cluster.call('DELETE', '/provisioner/userdata/ud1')
    expect(kept.status).toBe(400)
    expect(JSON.stringify(kept.body)).toContain('prof1')
    const cleared = await cluster.call('PUT', '/provisioner/profile/prof1', { userdata: '' })
    expect(cleared.body).toEqual({ message: 'Modified VM profile "prof1".' })
    expect(await list('profile')).toMatchObject([{ userdata: 'N/A' }])
    expect((await cluster.call('DELETE', '/provisioner/userdata/ud1')).status).toBe(200)
    expect((await cluster.call('DELETE', '/provisioner/profile/prof1')).status).toBe(200)
    expect((await cluster.call('GET', '/provisioner/profile/prof1')).status).toBe(404)
  })

  it('refuse what only a provisioner could use, and write nothing', async () => {
    const { status, body } = await addProfile({ system_template: 'small', script: 'sc1' })
    expect(status).toBe(400)
    expect(JSON.stringify(body)).toContain('not possible yet')
    expect(await list('profile')).toEqual([])
  })
})
