/** Two defines of one name meet in the worst order: whatever they do, two VMs of one name never remain. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../src/adapters/fake/clock.ts'
import { isVmSpec } from '../../src/model/domain.ts'
import { VmUuid } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { type Reply, startCluster, type TestCluster, vmXml } from './cluster.ts'

const A = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000000')
const B = VmUuid.parse('bbbbbbbb-0000-4000-8000-000000000000')

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

/** Holds back the first write to `path` that `isMeant`; resolves `reached` when it is about to happen. */
function holdWrite(path: string, isMeant: (value: unknown) => boolean = () => true) {
  const session = cluster.store.session.value
  if (session === undefined) throw new Error('no session')
  const set = session.set.bind(session)
  let open: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  let arrive: () => void = () => undefined
  const reached = new Promise<void>((resolve) => {
    arrive = resolve
  })
  let isHeld = false
  session.set = async (key, value, version) => {
    if (key.path === path && !isHeld && isMeant(value)) {
      isHeld = true
      arrive()
      await gate
    }
    return set(key, value, version)
  }
  return { reached, open }
}

const define = (uuid: VmUuid): Promise<Reply> =>
  cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web', { uuid }) } })

async function living(): Promise<VmUuid[]> {
  const found: VmUuid[] = []
  for (const uuid of [A, B]) if (isVmSpec((await cluster.session.get(tree.vm(uuid).spec))?.value)) found.push(uuid)
  return found
}

const owner = async () => (await cluster.session.get(tree.vmNames.child('web')))?.value.uuid

describe('two defines of one name', () => {
  it('the slower one gives way when its name was taken before it appeared', async () => {
    const held = holdWrite(tree.vm(A).spec.path)
    const first = define(A)
    await held.reached
    // To the second one the first looks like a define that died.
    expect((await define(B)).status).toBe(200)
    held.open()
    expect(await first).toMatchObject({ status: 400, body: { message: expect.stringContaining('somebody else') } })
    expect(await living()).toEqual([B])
    expect(await owner()).toBe(B)
  })

  it('the one that takes a name gives it back when its owner appeared meanwhile', async () => {
    const beforeSpec = holdWrite(tree.vm(A).spec.path)
    const first = define(A)
    await beforeSpec.reached
    const beforeTaking = holdWrite(tree.vmNames.child('web').path, (value) => (value as { uuid: string }).uuid === B)
    const second = define(B)
    await beforeTaking.reached
    beforeSpec.open()
    expect((await first).status).toBe(200)
    beforeTaking.open()
    expect(await second).toMatchObject({ status: 400, body: { message: "A VM named 'web' exists already." } })
    expect(await living()).toEqual([A])
    expect(await owner()).toBe(A)
    await settle()
    expect(((await cluster.call('GET', '/vm')).body as unknown[]).length).toBe(1)
  })
})
