import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LibvirtDomain } from '../../../src/adapters/libvirt/domain.ts'
import { AFFECT, LIST, MIGRATE, START, STATS, XML } from '../../../src/adapters/libvirt/flag.ts'
import { LibvirtError, VIR_ERR } from '../../../src/adapters/libvirt/libvirt-error.ts'
import { LibvirtConnection, openConnection } from '../../../src/adapters/libvirt/native.ts'
import { strangerUuid, TEST_DOMAIN, TEST_URI, testDomainXml } from './support.ts'

let connection: LibvirtConnection
let domain: LibvirtDomain

beforeEach(async () => {
  connection = await openConnection(TEST_URI)
  domain = connection.domain(TEST_DOMAIN)
})
afterEach(() => connection.close())

/** What a verb does on this driver: a check of its result, or the error code that libvirt must give. */
type Outcome = ((result: unknown) => void) | number
const done = (result: unknown) => expect(result).toBeUndefined()
const text = (part: string) => (result: unknown) => expect(result).toContain(part)
const like = (shape: object) => (result: unknown) => expect(result).toMatchObject(shape)
const equal = (value: unknown) => (result: unknown) => expect(result).toEqual(value)
const unsupported = VIR_ERR.NO_SUPPORT

async function check(call: Promise<unknown>, outcome: Outcome): Promise<void> {
  if (typeof outcome === 'function') return outcome(await call)
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LibvirtError)
  expect(error).toMatchObject({ code: outcome, level: 2, domain: expect.any(Number), call: expect.any(String) })
}

function methodsOf(type: { readonly prototype: object }): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(type.prototype))
    .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
    .map(([name]) => name)
    .sort()
}

const CPU = `<cpu><arch>i686</arch><model>pentium3</model></cpu>`
const SECRET = `<secret><usage type='ceph'><name>x</name></usage></secret>`
const uuid = strangerUuid(1)

const CONNECTION_CALLS: Record<string, [(c: LibvirtConnection) => Promise<unknown>, Outcome]> = {
  setKeepAlive: [(c) => c.setKeepAlive(5, 3), unsupported],
  isAlive: [(c) => c.isAlive(), equal(true)],
  onClose: [async (c) => (await c.onClose(() => undefined))(), done],
  subscribe: [async (c) => (await c.subscribe('reboot', () => undefined))(), done],
  version: [(c) => c.version(), like({ client: expect.stringMatching(/^\d+\.\d+\.\d+$/), hypervisor: '0.0.2' })],
  hostname: [(c) => c.hostname(), (name) => expect(name).toMatch(/./)],
  driver: [(c) => c.driver(), equal('TEST')],
  capabilities: [(c) => c.capabilities(), text('<capabilities>')],
  domainCapabilities: [(c) => c.domainCapabilities(), unsupported],
  nodeInfo: [
    (c) => c.nodeInfo(),
    equal({
      cpuModel: 'i686',
      memoryKiB: 3145728,
      cpus: 16,
      mhz: 1400,
      numaNodes: 2,
      sockets: 2,
      cores: 2,
      threads: 2,
    }),
  ],
  nodeMemoryStats: [(c) => c.nodeMemoryStats(), unsupported],
  nodeCpuStats: [(c) => c.nodeCpuStats(), like({ user: expect.any(Number), idle: expect.any(Number) })],
  baselineCpu: [(c) => c.baselineCpu([CPU]), text('<model')],
  compareCpu: [(c) => c.compareCpu(CPU), unsupported],
  domain: [async (c) => c.domain(uuid).uuid, equal(uuid)],
  listDomains: [
    (c) => c.listDomains({ flags: LIST.ACTIVE, metadataUri: 'urn:x' }),
    equal([
      {
        uuid: TEST_DOMAIN,
        name: 'test',
        id: expect.any(Number),
        state: 'running',
        reason: 'unknown',
        metadata: undefined,
      },
    ]),
  ],
  domainStats: [
    (c) => c.domainStats(STATS.STATE),
    equal([
      { uuid: TEST_DOMAIN, name: 'test', id: expect.any(Number), values: { 'state.state': 1, 'state.reason': 0 } },
    ]),
  ],
  lookupDomainByName: [
    (c) => c.lookupDomainByName('test'),
    equal({ uuid: TEST_DOMAIN, name: 'test', id: expect.any(Number) }),
  ],
  defineDomain: [(c) => c.defineDomain(testDomainXml('defined', uuid)), equal({ uuid, name: 'defined' })],
  createDomain: [
    (c) => c.createDomain(testDomainXml('created', uuid), 0),
    equal({ uuid, name: 'created', id: expect.any(Number) }),
  ],
  defineSecret: [(c) => c.defineSecret(SECRET), unsupported],
  setSecretValue: [(c) => c.setSecretValue(uuid, Buffer.from('key')), unsupported],
  lookupSecret: [(c) => c.lookupSecret(uuid), unsupported],
  lookupSecretByUsage: [(c) => c.lookupSecretByUsage(2, 'x'), unsupported],
  undefineSecret: [(c) => c.undefineSecret(uuid), unsupported],
  close: [(c) => c.close(), done],
}

const METADATA = `<p:x xmlns:p='urn:x'>7</p:x>`

const DOMAIN_CALLS: Record<string, [(d: LibvirtDomain) => Promise<unknown>, Outcome]> = {
  lookup: [(d) => d.lookup(), equal({ uuid: TEST_DOMAIN, name: 'test', id: expect.any(Number) })],
  create: [(d) => d.destroy().then(() => d.create()), done],
  undefine: [(d) => d.destroy().then(() => d.undefine()), done],
  shutdown: [(d) => d.shutdown(), done],
  reboot: [(d) => d.reboot(), done],
  reset: [(d) => d.reset(), done],
  destroy: [(d) => d.destroy(), done],
  suspend: [(d) => d.suspend(), done],
  resume: [(d) => d.suspend().then(() => d.resume()), done],
  state: [(d) => d.suspend().then(() => d.state()), equal({ state: 'paused', reason: 'user' })],
  info: [(d) => d.info(), like({ maxMemoryKiB: 8388608, memoryKiB: 2097152, vcpus: 2 })],
  xml: [(d) => d.xml(XML.INACTIVE), text(`<uuid>${TEST_DOMAIN}</uuid>`)],
  isActive: [(d) => d.isActive(), equal(true)],
  isPersistent: [(d) => d.isPersistent(), equal(true)],
  controlInfo: [(d) => d.controlInfo(), equal({ state: 'ok', stateTimeMs: 0 })],
  setMemory: [(d) => d.setMemory(1048576, AFFECT.LIVE), done],
  setVcpus: [(d) => d.setVcpus(1, AFFECT.LIVE), done],
  setMetadata: [(d) => d.setMetadata('urn:x', 'p', '<x>7</x>', AFFECT.LIVE), done],
  getMetadata: [
    (d) => d.setMetadata('urn:x', 'p', '<x>7</x>').then(() => d.getMetadata('urn:x')),
    (xml) => expect(xml).toContain('<x>7</x>'),
  ],
  attachDevice: [(d) => d.attachDevice(METADATA), unsupported],
  detachDevice: [(d) => d.detachDevice(METADATA), unsupported],
  updateDevice: [(d) => d.updateDevice(METADATA), unsupported],
  blockResize: [(d) => d.blockResize('vda', 1 << 30), unsupported],
  blockInfo: [(d) => d.blockInfo('vda'), like({ capacityBytes: 1099506450432 })],
  diskErrors: [(d) => d.diskErrors(), equal([{ disk: 'vda', error: 'unspec' }])],
  setBlockThreshold: [(d) => d.setBlockThreshold('vda', 1000), unsupported],
  interfaceAddresses: [
    (d) => d.interfaceAddresses('lease'),
    equal([
      {
        name: 'testnet0',
        mac: 'aa:bb:cc:dd:ee:ff',
        addresses: [{ family: 'ipv4', address: expect.stringMatching(/^192\.168\.122\./), prefix: 24 }],
      },
    ]),
  ],
  fsFreeze: [(d) => d.fsFreeze(['/']), equal(1)],
  fsThaw: [(d) => d.fsFreeze().then(() => d.fsThaw()), equal(2)],
  guestInfo: [(d) => d.guestInfo(), unsupported],
  setAgentTimeout: [(d) => d.setAgentTimeout(1), unsupported],
  migrate: [
    (d) => d.migrate('qemu+tcp://nowhere/system', { bandwidthMiBps: 10, autoConvergeInitial: 20 }, MIGRATE.PEER2PEER),
    VIR_ERR.ARGUMENT_UNSUPPORTED,
  ],
  migrateSetMaxDowntime: [(d) => d.migrateSetMaxDowntime(300), unsupported],
  migrateGetMaxDowntimeMs: [(d) => d.migrateGetMaxDowntimeMs(), unsupported],
  migrateSetMaxSpeed: [(d) => d.migrateSetMaxSpeed(10), unsupported],
  jobInfo: [(d) => d.jobInfo(), unsupported],
  jobStats: [(d) => d.jobStats(), unsupported],
  abortJob: [(d) => d.abortJob(), unsupported],
  openConsole: [(d) => d.openConsole({ onData: () => undefined, onEnd: () => undefined }), unsupported],
}

describe('each call of a connection', () => {
  it('is in the table', () => expect(Object.keys(CONNECTION_CALLS).sort()).toEqual(methodsOf(LibvirtConnection)))
  it.each(Object.entries(CONNECTION_CALLS))('%s', (_name, [call, outcome]) => check(call(connection), outcome))
})

describe('each call of a domain', () => {
  it('is in the table', () => expect(Object.keys(DOMAIN_CALLS).sort()).toEqual(methodsOf(LibvirtDomain)))
  it.each(Object.entries(DOMAIN_CALLS))('%s', (_name, [call, outcome]) => check(call(domain), outcome))
  it.each(Object.entries(DOMAIN_CALLS))('%s of a domain that does not exist', (_name, [call]) =>
    check(call(connection.domain(strangerUuid(9))), VIR_ERR.NO_DOMAIN),
  )
})

describe('results', () => {
  it('an integer too large for a number is a bigint', async () => {
    expect(typeof (await domain.info()).cpuTimeNs).toBe('bigint')
  })

  it('metadata comes with the list, and can be removed', async () => {
    await domain.setMetadata('urn:x', 'p', '<x>7</x>')
    expect((await connection.listDomains({ metadataUri: 'urn:x' }))[0]?.metadata).toContain('<x>7</x>')
    await domain.setMetadata('urn:x', 'p', undefined)
    expect(await domain.getMetadata('urn:x')).toBeUndefined()
  })

  it('a stopped domain is listed without an id, with its reason', async () => {
    await domain.destroy()
    expect(await connection.listDomains({ flags: LIST.INACTIVE })).toEqual([
      { uuid: TEST_DOMAIN, name: 'test', state: 'shutoff', reason: 'destroyed', metadata: undefined },
    ])
    expect(await connection.listDomains({ flags: LIST.ACTIVE })).toEqual([])
  })

  it('flags reach libvirt', async () => {
    await expect(connection.createDomain(testDomainXml('created', uuid), START.PAUSED)).rejects.toMatchObject({
      code: VIR_ERR.INVALID_ARG,
      message: 'unsupported flags (0x1) in function testDomainCreateXML',
    })
  })

  it('malformed XML is refused with the line', async () => {
    await expect(connection.defineDomain('<domain>\n<name>x</nam>\n</domain>')).rejects.toMatchObject({
      code: VIR_ERR.XML_DETAIL,
      message: expect.stringContaining('line 2'),
      call: 'domainDefine',
    })
  })
})

describe('misuse', () => {
  it('of argument types is a TypeError that names verb and argument', async () => {
    await expect(domain.setVcpus(1.5)).rejects.toThrow('domainSetVcpus: argument 3 is not an integer in range')
    await expect(domain.setMemory(-1)).rejects.toThrow(TypeError)
    await expect(domain.xml(2 ** 40)).rejects.toThrow(TypeError)
  })

  it('a closed connection refuses calls, closing twice is fine', async () => {
    await connection.close()
    expect(connection.isOpen).toBe(false)
    await connection.close()
    await check(connection.hostname(), VIR_ERR.INVALID_CONN)
    await check(domain.state(), VIR_ERR.INVALID_CONN)
  })

  it('a socket nobody serves is refused with its reason', async () => {
    const opening = openConnection('qemu+unix:///system?socket=/nonexistent/socket')
    await check(opening, VIR_ERR.SYSTEM_ERROR)
    await expect(opening).rejects.toThrow(/nonexistent.*No such file/)
  })
})
