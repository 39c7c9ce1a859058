import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../src/adapters/clock/system.ts'
import { COMPARE_CPU, LIST, MIGRATE, START, STATS, XML } from '../../../src/adapters/libvirt/flag.ts'
import { cpuProblem } from '../../../src/adapters/libvirt/hypervisor-answers.ts'
import { isConnectionLoss, isLibvirtError, VIR_ERR } from '../../../src/adapters/libvirt/libvirt-error.ts'
import { type LibvirtConnection, openConnection } from '../../../src/adapters/libvirt/native.ts'
import { ReconnectingLibvirt } from '../../../src/adapters/libvirt/reconnect.ts'
import { pollUntil } from '../../lab/poll.ts'
import { PrivateLibvirtd } from './daemon.ts'
import { eventually, strangerUuid } from './support.ts'

const isRoot = process.getuid?.() === 0
const clock = createSystemClock()

let daemon: PrivateLibvirtd
const opened: LibvirtConnection[] = []

/** A connection to a daemon that may still be starting. */
async function connect(uri: string): Promise<LibvirtConnection> {
  const connection = await pollUntil({ what: `libvirtd at ${uri}`, timeoutMs: 10_000 }, () => openConnection(uri))
  opened.push(connection)
  return connection
}

const settle = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  )

/**
 * A guest of 512 bytes: prints `R` on its serial port, then sends back what it receives.
 * mov al,'R'; mov dx,3f8; out dx,al; L: mov dx,3fd; W: in al,dx; test al,1; jz W; mov dx,3f8; in al,dx; out dx,al; jmp L
 */
const ECHO_GUEST = Buffer.from(
  'b052baf803ee' + 'bafd03' + 'ec' + 'a801' + '74fb' + 'baf803' + 'ec' + 'ee' + 'ebf1',
  'hex',
)

function diskOf(name: string): string {
  const path = join(daemon.folder, `${name}.img`)
  const disk = Buffer.alloc(1 << 20)
  ECHO_GUEST.copy(disk)
  disk.writeUInt16BE(0x55aa, 510)
  writeFileSync(path, disk)
  return path
}

const diskXml = (path: string, target: string) =>
  `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${path}'/><target dev='${target}' bus='virtio'/></disk>`

function guestXml(name: string, uuid: string): string {
  return `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
    <devices>${diskXml(diskOf(name), 'vda')}<serial type='pty'/><memballoon model='virtio'/></devices></domain>`
}

beforeAll(async () => {
  if (!isRoot) return
  daemon = await PrivateLibvirtd.create()
  await daemon.start()
})
afterEach(async () => {
  if (!isRoot) return
  const connection = await connect(daemon.uri())
  for (const { uuid } of await connection.listDomains()) await connection.domain(uuid).destroy()
  for (const connection of opened.splice(0)) await connection.close()
})
afterAll(() => (isRoot ? daemon.destroy() : undefined))

describe.runIf(isRoot)('a real libvirtd', () => {
  it('knows its host', async () => {
    const connection = await connect(daemon.uri())
    expect(await connection.driver()).toBe('QEMU')
    expect(await connection.version()).toMatchObject({ hypervisor: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
    const memory = await connection.nodeMemoryStats()
    expect(memory).toMatchObject({ total: expect.any(Number), free: expect.any(Number) })
    const target = { arch: 'x86_64', type: 'qemu' }
    expect(await connection.domainCapabilities(target)).toContain('<domainCapabilities>')
    const cpu = `<cpu mode='custom'><model>qemu64</model></cpu>`
    expect(await connection.compareCpu(cpu, target)).toMatch(/^(incompatible|identical|superset)$/)
    // No host without KVM can tell what its KVM would offer, and that must not keep a guest from being moved.
    const custom = `<cpu mode='custom' match='exact'><model>Skylake-Server</model></cpu>`
    expect(await cpuProblem(connection, { arch: 'x86_64', xml: custom })).toBeUndefined()
    const lacking = `<cpu mode='custom' match='exact'><model>qemu64</model><feature policy='require' name='avx512f'/></cpu>`
    const told = connection.compareCpu(lacking, target, COMPARE_CPU.FAIL_INCOMPATIBLE)
    await expect(told).rejects.toMatchObject({
      code: VIR_ERR.CPU_INCOMPATIBLE,
      message: expect.stringContaining('avx512f'),
    })
    const model = '<cpu><arch>x86_64</arch><model>qemu64</model></cpu>'
    expect(await connection.baselineCpu([model, model], target)).toContain('qemu64')
  })

  it('keeps a secret', async () => {
    const connection = await connect(daemon.uri())
    const uuid = strangerUuid(1)
    const xml = `<secret private='yes'><uuid>${uuid}</uuid><usage type='ceph'><name>guests</name></usage></secret>`
    expect(await connection.defineSecret(xml)).toEqual({ uuid, usageType: 2, usage: 'guests' })
    const value = Buffer.from('not a real key')
    await connection.setSecretValue(uuid, value)
    expect(value.toString()).toBe('not a real key')
    expect(await connection.lookupSecretByUsage(2, 'guests')).toMatchObject({ uuid })
    await connection.undefineSecret(uuid)
    expect(await settle(connection.lookupSecret(uuid))).toMatchObject({ code: VIR_ERR.NO_SECRET })
  })

  it('runs a guest whose console answers', async () => {
    const connection = await connect(daemon.uri())
    const uuid = strangerUuid(2)
    await connection.createDomain(guestXml('echo', uuid), START.PAUSED)
    const domain = connection.domain(uuid)
    expect(await domain.state()).toEqual({ state: 'paused', reason: 'user' })
    let output = ''
    const ends: (string | undefined)[] = []
    const listener = {
      onData: (data: Buffer) => (output += data.toString('latin1')),
      onEnd: (message?: string) => ends.push(message),
    }
    const console = await domain.openConsole(listener)
    await domain.resume()
    await eventually('the guest is up', () => output.includes('R'), 60_000)
    output = ''
    const sent = Array.from({ length: 200 }, (_, index) => `line ${index};`)
    await Promise.all(sent.map((line) => console.write(Buffer.from(line))))
    await eventually('the echo', () => output === sent.join(''), 60_000)

    expect(await settle(domain.openConsole(listener))).toMatchObject({ code: VIR_ERR.OPERATION_FAILED })
    await domain.destroy()
    await eventually('the end of the console', () => ends.length === 1)
    expect(await settle(console.write(Buffer.from('x')))).toMatchObject({ code: VIR_ERR.OPERATION_INVALID })
    await console.close()
    expect(ends).toHaveLength(1)
  })

  it('changes a running guest, with events', async () => {
    const connection = await connect(daemon.uri())
    const uuid = strangerUuid(3)
    const seen: string[] = []
    for (const kind of ['lifecycle', 'device-added', 'device-removed', 'reboot'] as const) {
      await connection.subscribe(kind, (event) =>
        seen.push(
          'detail' in event ? `${event.event} ${event.detail}` : `${kind} ${'device' in event ? event.device : ''}`,
        ),
      )
    }
    await connection.createDomain(guestXml('busy', uuid))
    const domain = connection.domain(uuid)
    expect(await domain.isPersistent()).toBe(false)
    expect(await domain.controlInfo()).toMatchObject({ state: 'ok' })
    expect(await domain.jobInfo()).toMatchObject({ type: 'none' })
    expect(await domain.jobStats()).toMatchObject({ type: 'none' })
    await domain.setMetadata('urn:x', 'p', '<mark seq="1"/>')
    expect((await connection.listDomains({ flags: LIST.ACTIVE, metadataUri: 'urn:x' }))[0]).toMatchObject({
      uuid,
      state: 'running',
      reason: 'booted',
      metadata: expect.stringContaining('seq="1"'),
    })
    await domain.blockResize('vda', 2 << 20)
    expect(await domain.blockInfo('vda')).toMatchObject({ capacityBytes: 2 << 20 })
    await domain.attachDevice(diskXml(diskOf('second'), 'vdb'))
    await eventually('the device', () => seen.includes('device-added virtio-disk1'))
    expect(await domain.xml(XML.SECURE)).toContain("dev='vdb'")
    const [stats] = await connection.domainStats(STATS.STATE | STATS.BLOCK | STATS.CPU_TOTAL)
    expect(stats?.values).toMatchObject({ 'block.count': 2, 'block.0.name': 'vda', 'cpu.time': expect.any(Number) })
    expect(await settle(domain.interfaceAddresses('agent'))).toSatisfy((error) =>
      isLibvirtError(error, VIR_ERR.ARGUMENT_UNSUPPORTED),
    )
    await domain.reset()
    await domain.suspend()
    await domain.resume()
    await domain.destroy()
    await eventually('the last event', () => seen.includes('stopped destroyed'))
    expect(seen).toEqual([
      'resumed unpaused',
      'started booted',
      'device-added virtio-disk1',
      'reboot ',
      'suspended paused',
      'resumed unpaused',
      'shutdown host',
      'stopped destroyed',
    ])
  })

  it('migrates a guest, paused on arrival', async () => {
    const other = await PrivateLibvirtd.create(2)
    try {
      await other.start()
      const [source, target] = [await connect(daemon.uri()), await connect(other.uri())]
      const uuid = strangerUuid(4)
      const seen: string[] = []
      await source.subscribe('migration-iteration', ({ iteration }) => seen.push(`iteration ${iteration}`))
      await source.subscribe('job-completed', ({ values }) => seen.push(`completed ${values['operation']}`))
      const xml = guestXml('traveller', uuid)
      await source.createDomain(xml)
      await source
        .domain(uuid)
        .migrate(
          other.uri(),
          { migrateUri: `unix://${other.folder}/migration`, bandwidthMiBps: 1000 },
          MIGRATE.LIVE | MIGRATE.PEER2PEER | MIGRATE.PAUSED | MIGRATE.UNSAFE | MIGRATE.ABORT_ON_ERROR,
        )
      expect(await target.domain(uuid).state()).toEqual({ state: 'paused', reason: 'user' })
      expect(await settle(source.domain(uuid).lookup())).toMatchObject({ code: VIR_ERR.NO_DOMAIN })
      await eventually('the end of the job', () => seen.some((each) => each.startsWith('completed')))
      expect(seen).toContain('iteration 1')
      await target.domain(uuid).resume()
      expect(await target.domain(uuid).state()).toMatchObject({ state: 'running' })
      await target.domain(uuid).destroy()
    } finally {
      await other.destroy()
    }
  })

  it('an unreachable migration target is an error of the call, not a loss of the connection', async () => {
    const connection = await connect(daemon.uri())
    const uuid = strangerUuid(5)
    await connection.createDomain(guestXml('stays', uuid), START.PAUSED)
    const error = await settle(
      connection
        .domain(uuid)
        .migrate('qemu+unix:///system?socket=/nowhere', {}, MIGRATE.LIVE | MIGRATE.PEER2PEER | MIGRATE.UNSAFE),
    )
    expect(error).toMatchObject({ message: expect.stringContaining('/nowhere') })
    expect(await connection.isAlive()).toBe(true)
    await connection.domain(uuid).destroy()
  })

  it('a killed daemon breaks the connection and fails the calls under way', async () => {
    const connection = await connect(daemon.uri('test:///default'))
    const reasons: string[] = []
    await connection.onClose((reason) => reasons.push(reason))
    await daemon.kill('STOP')
    const calls = Array.from({ length: 10 }, () => settle(connection.hostname()))
    await daemon.kill('KILL')
    for (const error of await Promise.all(calls)) expect(error).toSatisfy(isConnectionLoss)
    await eventually('the close callback', () => reasons.length > 0)
    expect(reasons).toEqual(['eof'])
    expect(await connection.isAlive()).toBe(false)
    await connection.close()
    await daemon.start()
    expect(await (await connect(daemon.uri('test:///default'))).driver()).toBe('TEST')
  })

  it('a frozen daemon is noticed by the keepalive', async () => {
    const connection = await connect(daemon.uri('test:///default'))
    await connection.setKeepAlive(1, 1)
    const reasons: string[] = []
    await connection.onClose((reason) => reasons.push(reason))
    await daemon.kill('STOP')
    try {
      expect(await settle(connection.hostname())).toSatisfy(isConnectionLoss)
      await eventually('the close callback', () => reasons.length > 0)
      expect(reasons).toEqual(['keepalive'])
    } finally {
      await daemon.kill('CONT')
    }
  })

  it('a reconnecting client follows a daemon through kill and restart', async () => {
    const told: string[] = []
    const events: string[] = []
    const libvirt = new ReconnectingLibvirt({ clock, open: () => openConnection(daemon.uri('test:///default')) })
    libvirt.on('connected', () => told.push('connected'))
    libvirt.on('disconnected', (reason) => told.push(reason))
    libvirt.subscribe('lifecycle', ({ event }) => events.push(event))
    libvirt.start()
    try {
      await libvirt.waitConnected(10_000)
      await daemon.kill('KILL')
      await eventually('the loss', () => !libvirt.isConnected)
      await expect(libvirt.run((connection) => connection.hostname())).rejects.toMatchObject({
        code: 'PVC_HYPERVISOR_UNAVAILABLE',
      })
      await daemon.start()
      await libvirt.waitConnected(10_000)
      const [domain] = await libvirt.run((connection) => connection.listDomains())
      await libvirt.run((connection) => connection.domain(domain?.uuid ?? '').suspend())
      await eventually('an event on the new connection', () => events.includes('suspended'))
      expect(told).toEqual(['connected', 'eof', 'connected'])
    } finally {
      await libvirt.close()
    }
  })
})
