import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failureDir } from '../collect.ts'
import { type Lab, startLab } from '../lab.ts'
import { bmcLogin } from '../plan.ts'
import { pollUntil } from '../poll.ts'
import { machineTraces, newTraces } from '../traces.ts'

const name = `itself-${process.pid}`
const guest = { name: 'g1', uuid: 'aaaaaaaa-0000-4000-8000-000000000001', volume: 'vms/g1' }

describe('the lab itself', () => {
  let lab: Lab
  let before: Awaited<ReturnType<typeof machineTraces>>
  let hasFailed = false

  const ipmi = (address: string, action: string): Promise<{ stdout: string; exitCode: number }> => {
    const login = ['-I', 'lanplus', '-C', '3', '-N', '1', '-R', '1', '-U', bmcLogin.user, '-P', bmcLogin.password]
    return lab.sh(['ipmitool', ...login, '-H', address, 'chassis', 'power', action], {
      allowFailure: true,
      timeoutMs: 10_000,
    })
  }
  const domainState = async (host: string): Promise<string> =>
    (await lab.host(host).sh(['virsh', 'domstate', guest.name], { timeoutMs: 5000, allowFailure: true })).stdout.trim()

  beforeAll(async () => {
    before = await machineTraces()
    lab = await startLab({ name, layout: 'hyperconverged', daemons: false, say: (line) => console.log(line) })
  }, 120_000)

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') hasFailed = true
  })

  afterAll(async () => {
    if (lab === undefined || process.env['LAB_KEEP'] === '1') return
    try {
      if (hasFailed) lab.collect(failureDir(name))
    } finally {
      await lab.down()
    }
  })

  it('gives every host its own identity and no KVM', async () => {
    for (const host of lab.hosts) {
      expect((await host.sh(['hostname'])).stdout.trim()).toBe(host.name)
      expect((await host.sh(['ls', '/dev/kvm'], { allowFailure: true })).exitCode).not.toBe(0)
      expect((await host.sh(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim()).toBe(host.bootId())
    }
    expect(new Set(lab.hosts.map((host) => host.bootId())).size).toBe(lab.hosts.length)
  })

  it('has one ZooKeeper ensemble with one leader, run with the shipped settings', async () => {
    const modes = []
    for (const host of lab.hosts) {
      const ask = `exec 3<>/dev/tcp/${host.address('cluster')}/2181 && printf srvr >&3 && sed -n 's/^Mode: //p' <&3`
      modes.push((await host.sh(['bash', '-c', ask], { timeoutMs: 5000 })).stdout.trim())
      expect(readFileSync(host.log('zookeeper'), 'utf8')).toContain('tickTime set to 500')
    }
    expect(modes.sort()).toEqual(['follower', 'follower', 'leader'])
  })

  it('runs a guest from RBD that writes, gets an address, moves live, and shuts down by its button', async () => {
    await lab.ceph(['osd', 'pool', 'create', 'vms', '8'])
    await lab.rbd(['pool', 'init', 'vms'])
    await lab.rbd(['create', guest.volume, '--size', '64M'])
    const [from, to] = [lab.host('hv1'), lab.host('hv2')]
    await from.sh(['virsh', 'define', lab.sharedFile('g1.xml', await lab.guestXml(guest))])
    await from.sh(['virsh', 'start', guest.name])
    const first = await lab.waitForHeartbeat(guest.name, {
      wanted: (heartbeat) => heartbeat.written && heartbeat.ip !== undefined,
    })
    const target = `qemu+tcp://${to.address('cluster')}/system`
    await from.sh(['virsh', 'migrate', '--live', '--p2p', '--persistent', '--undefinesource', guest.name, target])
    expect((await lab.waitForHeartbeat(guest.name, { host: 'hv2' })).boot).toBe(first.boot)
    await to.sh(['virsh', 'shutdown', '--mode', 'acpi', guest.name])
    await pollUntil(
      { what: 'guest shut off', timeoutMs: 10_000 },
      async () => (await domainState('hv2')) === 'shut off',
    )
    expect(await lab.recordProblems(guest.name, guest.volume)).toEqual([])
  })

  it('cuts a host’s power with its guest, and the next boot is another one', async () => {
    const host = lab.host('hv2')
    const last = lab.heartbeats(guest.name).at(-1)
    await host.sh(['virsh', 'start', guest.name])
    await lab.waitForHeartbeat(guest.name, {
      wanted: (heartbeat) => heartbeat.written && heartbeat.boot !== last?.boot,
    })
    const boot = host.bootId()
    await host.power('off')
    expect(await host.isOn()).toBe(false)
    await expect(host.sh(['true'])).rejects.toThrow('hv2 is off')
    await host.power('on')
    expect(host.bootId()).not.toBe(boot)
    await pollUntil(
      { what: 'the guest is known and off', timeoutMs: 20_000 },
      async () => (await domainState('hv2')) === 'shut off',
    )
    expect(await lab.recordProblems(guest.name, guest.volume)).toEqual([])
  })

  it('has BMCs that switch the host, lie and refuse', async () => {
    const host = lab.host('hv3')
    expect((await ipmi(host.bmcAddress, 'status')).stdout).toContain('Chassis Power is on')
    await ipmi(host.bmcAddress, 'off')
    expect(await host.isOn()).toBe(false)
    expect((await ipmi(host.bmcAddress, 'status')).stdout).toContain('Chassis Power is off')
    await ipmi(host.bmcAddress, 'on')
    expect(await host.isOn()).toBe(true)
    await host.bmc({ lie: true })
    expect((await ipmi(host.bmcAddress, 'off')).exitCode).toBe(0)
    expect(await host.isOn()).toBe(true)
    await host.bmc({ lie: false, fail: true })
    expect((await ipmi(host.bmcAddress, 'off')).exitCode).toBe(1)
    await host.bmc({ fail: false })
    await pollUntil({ what: 'hv3 booted', timeoutMs: 15_000 }, async () => existsSync(join(host.dir, 'ready')))
  })

  it('cuts one network of a host and leaves the others', async () => {
    const host = lab.host('hv1')
    const reaches = async (address: string): Promise<boolean> =>
      (await host.sh(['ping', '-c', '1', '-W', '1', address], { allowFailure: true })).exitCode === 0
    await lab.isolate('hv1', 'cluster')
    expect([await reaches('10.90.0.1'), await reaches('10.90.1.1')]).toEqual([false, true])
    await lab.heal('hv1', 'cluster')
    await pollUntil({ what: 'the cluster network again', timeoutMs: 10_000 }, () => reaches('10.90.0.1'))
  })

  it('restarts a killed service as systemd would, and keeps a stopped one down', async () => {
    const host = lab.host('hv1')
    const state = async () => (await host.services()).find((service) => service.name === 'libvirtd')
    const pid = (await state())?.pid
    await host.service('libvirtd', 'kill')
    await pollUntil({ what: 'libvirtd restarted', timeoutMs: 5000 }, async () => (await state())?.state === 'up')
    expect(await state()).toMatchObject({ restarts: 1 })
    expect((await state())?.pid).not.toBe(pid)
    await host.service('libvirtd', 'stop')
    expect(await state()).toMatchObject({ state: 'down', pid: undefined })
    await host.service('libvirtd', 'start')
  })

  it('collects logs without keys, and goes without a trace', async () => {
    const kept = join(lab.dir, 'shared', 'kept')
    lab.collect(kept)
    expect(existsSync(join(kept, 'hosts/hv1/log/pvc/zookeeper.log'))).toBe(true)
    expect(existsSync(join(kept, 'hosts/hv1/fs/etc/ceph/ceph.client.pvc.keyring'))).toBe(false)
    const key = /key = (\S+)/.exec(readFileSync(join(lab.dir, 'ceph/keyring.client.admin'), 'utf8'))?.[1] ?? 'no key'
    expect((await lab.sh(['grep', '-rlF', '-e', key, kept], { allowFailure: true })).stdout).toBe('')
    await lab.down()
    expect(existsSync(lab.dir)).toBe(false)
    expect(newTraces(before, await machineTraces(), (process) => process.includes(name))).toEqual([])
  })
})
