import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { FakeHypervisor } from '../../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../../src/adapters/fake/libvirtd.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakeProcesses } from '../../../src/adapters/fake/processes.ts'
import { ConsoleSessions, MAX_SESSIONS } from '../../../src/console/sessions.ts'
import { LifeId, VmUuid } from '../../../src/model/ids.ts'

const mark = { life: LifeId.parse('life-1'), seq: 1 }
const uuidOf = (number: number): VmUuid => VmUuid.parse(`aaaaaaaa-0000-4000-8000-${String(number).padStart(12, '0')}`)
const uuid = uuidOf(1)

let libvirtd: FakeLibvirtd
let hypervisor: FakeHypervisor
let log: FakeLog
let sessions: ConsoleSessions

const start = (vm: VmUuid) => hypervisor.create(vm, `<domain><name>g</name><uuid>${vm}</uuid></domain>`, mark)

beforeEach(async () => {
  libvirtd = new FakeLibvirtd({ clock: new ManualClock(), processes: new FakeProcesses() })
  hypervisor = new FakeHypervisor({ libvirtd })
  log = new FakeLog()
  sessions = new ConsoleSessions(hypervisor, log)
  await start(uuid)
})

/** Somebody who listens, and what he heard. */
function ear() {
  const heard = { text: '', ends: [] as (string | undefined)[] }
  return {
    heard,
    onData: (data: Buffer) => {
      heard.text += data.toString()
    },
    onEnd: (reason: string | undefined) => void heard.ends.push(reason),
  }
}

describe('console sessions', () => {
  it('carry bytes both ways until they are closed, and tell nothing after that', async () => {
    const listener = ear()
    const console = await sessions.open(uuid, false, listener)
    await console.write(Buffer.from('hello'))
    expect(listener.heard).toEqual({ text: 'hello', ends: [] })
    await console.close()
    await console.close()
    libvirtd.consoles.print(uuid, 'late')
    libvirtd.consoles.end(uuid)
    expect(listener.heard).toEqual({ text: 'hello', ends: [] })
    await sessions.open(uuid, false, ear())
  })

  it('are free again when libvirt does not close one, and that is logged', async () => {
    const opened = hypervisor.openConsole.bind(hypervisor)
    hypervisor.openConsole = async (...call) => {
      const { write } = await opened(...call)
      return { write, close: () => Promise.reject(new Error('broken pipe')) }
    }
    const console = await sessions.open(uuid, false, ear())
    await console.close()
    expect(log.entries).toContainEqual(expect.objectContaining({ message: 'closing a console failed' }))
    await sessions.open(uuid, true, ear())
  })

  it('are one per guest; by force the newer one wins, also while the older one opens', async () => {
    const [first, second, third] = [ear(), ear(), ear()]
    await sessions.open(uuid, false, first)
    await expect(sessions.open(uuid, false, ear())).rejects.toMatchObject({ code: 'PVC_STATE_REFUSED' })
    const opening = sessions.open(uuid, true, second)
    const console = await sessions.open(uuid, true, third)
    await expect(opening).rejects.toMatchObject({ code: 'PVC_STATE_REFUSED' })
    expect(first.heard.ends).toEqual(['somebody else took the console'])
    expect(second.heard.ends).toEqual(['somebody else took the console'])
    await console.write(Buffer.from('mine'))
    expect([first, second, third].map(({ heard }) => heard.text)).toEqual(['', '', 'mine'])
    await console.close()
    await sessions.open(uuid, false, ear())
  })

  it('end with the guest, once', async () => {
    const listener = ear()
    await sessions.open(uuid, false, listener)
    await hypervisor.destroy(uuid)
    expect(listener.heard.ends).toHaveLength(1)
    await start(uuid)
    await sessions.open(uuid, false, ear())
  })

  it('end with the connection to libvirt', async () => {
    const listener = ear()
    await sessions.open(uuid, false, listener)
    libvirtd.stop()
    await settle()
    expect(listener.heard.ends).toEqual(['the node lost its connection to libvirt'])
  })

  it('are refused for a guest that is not here or not ours', async () => {
    const refusal = { code: 'PVC_STATE_REFUSED' }
    await expect(sessions.open(uuidOf(2), false, ear())).rejects.toMatchObject(refusal)
    const stranger = uuidOf(3)
    libvirtd.finishStart(
      libvirtd.beginStart(stranger, `<domain><name>s</name><uuid>${stranger}</uuid></domain>`, undefined),
    )
    await expect(hypervisor.get(stranger)).resolves.toMatchObject({ state: 'running' })
    await expect(sessions.open(stranger, false, ear())).rejects.toMatchObject(refusal)
  })

  it('leave room when they cannot be opened, and are bounded in number', async () => {
    for (let number = 1; number <= 3 * MAX_SESSIONS; number += 1)
      await sessions.open(uuidOf(900 + number), false, ear()).catch(() => undefined)
    for (let number = 1; number <= MAX_SESSIONS; number += 1) {
      if (number > 1) await start(uuidOf(number))
      await sessions.open(uuidOf(number), false, ear())
    }
    await start(uuidOf(99))
    await expect(sessions.open(uuidOf(99), false, ear())).rejects.toThrow(/16 consoles open/)
  })
})
