import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import type { JobStats } from '../../../../src/adapters/libvirt/domain.ts'
import { MIGRATE, XML } from '../../../../src/adapters/libvirt/flag.ts'
import { CallGate } from '../../../../src/adapters/libvirt/hypervisor-calls.ts'
import { arrivingDefinition, parseMetadata } from '../../../../src/adapters/libvirt/hypervisor-mark.ts'
import {
  MigrationCalls,
  type MigrationLink,
  type MigrationSettings,
  migrationCall,
  toMigrationProgress,
} from '../../../../src/adapters/libvirt/hypervisor-migration.ts'
import { LibvirtError, VIR_ERR } from '../../../../src/adapters/libvirt/libvirt-error.ts'
import type { LibvirtConnection } from '../../../../src/adapters/libvirt/native.ts'
import { VmUuid } from '../../../../src/model/ids.ts'
import type { MigrationRequest } from '../../../../src/ports/hypervisor.ts'

const captured = (name: string) => readFileSync(new URL(`../../../data/libvirt-9.0.0/${name}`, import.meta.url), 'utf8')
const uuid = (number: number) => VmUuid.parse(`aaaaaaaa-0000-4000-8000-${String(number).padStart(12, '0')}`)
const settings: MigrationSettings = {
  autoConverge: true,
  parallel: 1,
  maxDowntimeMs: 300,
  scheme: 'qemu+tcp',
}
const request: MigrationRequest = { migrationId: 'm-1', targetAddress: '10.0.0.2', maxDowntimeMs: 77, policy: {} }
const refusal = (code: number) => new LibvirtError('no', { code, domain: 10, level: 2, call: 'x' })

describe('the definition of a copy', () => {
  const xml = captured('migratable.xml')
  const mark = '<pvc:run xmlns:pvc="urn:pvc:domain:1" life="life-1" seq="3"/>'

  it('says by which migration it arrives, instead of whose start it is; nothing else changes', () => {
    const copy = arrivingDefinition(xml, 'm-1')
    const element = '<pvc:migration xmlns:pvc="urn:pvc:domain:1" id="m-1"/>'
    // Only white space stays where the mark was, if it does not come first.
    expect(copy.replace(/\s+/g, '')).toBe(xml.replace(mark, element).replace(/\s+/g, ''))
    expect(copy).toContain("passwd='secret'")
    expect(parseMetadata(element)).toEqual({ mark: undefined, migrationId: 'm-1' })
  })

  it('carries no mark either when somebody else’s metadata stands before it', () => {
    const moved = xml.replace(mark, '').replace('</libosinfo:libosinfo>', `</libosinfo:libosinfo>${mark}`)
    const copy = arrivingDefinition(moved, 'm-1')
    expect(copy).not.toContain('life=')
    expect(copy.match(/urn:pvc:domain:1/g)).toHaveLength(1)
  })

  it('takes only a plain word', () => {
    expect(() => arrivingDefinition(xml, '"/><x')).toThrow('plain word')
  })
})

describe('a request in libvirt’s words', () => {
  const always = MIGRATE.LIVE | MIGRATE.PEER2PEER | MIGRATE.PAUSED | MIGRATE.ABORT_ON_ERROR

  it('leaves the copy paused and transient, at addresses of the target', () => {
    expect(migrationCall(request, '<domain/>', settings)).toEqual({
      uri: 'qemu+tcp://10.0.0.2/system',
      params: {
        migrateUri: 'tcp://10.0.0.2',
        listenAddress: '10.0.0.2',
        destinationXml: '<domain/>',
        bandwidthMiBps: undefined,
        parallelConnections: undefined,
      },
      flags: always | MIGRATE.AUTO_CONVERGE,
    })
  })

  it('puts an IPv6 address in brackets where it stands in a URI', () => {
    const call = migrationCall({ ...request, targetAddress: 'fd00::2' }, '', { ...settings, scheme: 'qemu+tls' })
    expect([call.uri, call.params.migrateUri, call.params.listenAddress]).toEqual([
      'qemu+tls://[fd00::2]/system',
      'tcp://[fd00::2]',
      'fd00::2',
    ])
  })

  it('follows the cluster, and the order before it', () => {
    const cluster = { ...settings, bandwidthMiBps: 100, parallel: 4 }
    const followed = migrationCall(request, '', cluster)
    expect(followed.params).toMatchObject({ bandwidthMiBps: 100, parallelConnections: 4 })
    expect(followed.flags).toBe(always | MIGRATE.AUTO_CONVERGE | MIGRATE.PARALLEL)
    const policy = { bandwidthMiBps: 5, autoConverge: false, parallel: 2 }
    const ordered = migrationCall({ ...request, policy }, '', cluster)
    expect(ordered.params).toMatchObject({ bandwidthMiBps: 5, parallelConnections: 2 })
    expect(ordered.flags).toBe(always | MIGRATE.PARALLEL)
  })
})

describe('progress', () => {
  const stats = JSON.parse(captured('job-stats-migration.json')) as JobStats

  it('is read from the statistics of the job', () => {
    expect(toMigrationProgress(stats)).toEqual({
      percent: 11,
      remainingMiB: 72,
      totalMiB: 81,
      dirtyMiBps: 0,
      speedMiBps: 2,
      expectedS: 36,
    })
  })

  it('cannot be told when the guest changes its memory as fast as it is copied', () => {
    const values = { ...stats.values, memory_dirty_rate: 1000 }
    expect(toMigrationProgress({ ...stats, values })).toMatchObject({ dirtyMiBps: 4, expectedS: null })
  })

  it.each([
    ['no job', { type: 'none' as const, values: {} }],
    ['an ended one', { type: 'completed' as const, values: stats.values }],
    ['a job of another kind', { ...stats, values: { ...stats.values, operation: 2 } }],
  ])('is none for %s', (_, job) => {
    expect(toMigrationProgress(job)).toBeUndefined()
  })
})

/** Connections whose one domain is answered by the test. */
function scripted() {
  const asked: string[] = []
  const copies: { readonly done: () => void; readonly failed: (error: Error) => void }[] = []
  const answers = {
    abort: (): Promise<void> => Promise.resolve(),
    jobStats: async (): Promise<JobStats> => ({ type: 'none', values: {} }),
  }
  const domain = (of: string) => ({
    xml: async (flags: number) => {
      asked.push(`xml ${of} ${flags}`)
      return `<domain><name>g</name><uuid>${of}</uuid></domain>`
    },
    migrateSetMaxDowntime: async (ms: number) => void asked.push(`downtime ${ms}`),
    migrate: (uri: string, params: { destinationXml: string }) => {
      asked.push(`migrate ${uri} ${params.destinationXml.includes('<pvc:migration')}`)
      return new Promise<void>((resolve, reject) => copies.push({ done: resolve, failed: reject }))
    },
    abortJob: () => answers.abort(),
    jobStats: () => answers.jobStats(),
  })
  const link: MigrationLink = { run: (call) => call({ domain } as unknown as LibvirtConnection) }
  const clock = new ManualClock()
  const [gate, links] = [new CallGate(clock), { copy: link, follow: link }]
  const calls = new MigrationCalls({ links, gate, clock, callTimeoutMs: 10_000, settings })
  return { calls, asked, copies, answers, clock }
}

describe('the calls of copies', () => {
  it('allow a tenth of the longest pause before the copy begins', async () => {
    const { calls, asked, copies } = scripted()
    const copy = calls.migrate(uuid(1), request)
    await settle()
    expect(asked).toEqual([
      `xml ${uuid(1)} ${XML.MIGRATABLE | XML.SECURE}`,
      'downtime 8',
      'migrate qemu+tcp://10.0.0.2/system true',
    ])
    copies[0]?.done()
    await copy
  })

  it('allow twice as long every second after the first pass, up to the limit', async () => {
    const { calls, asked, copies, answers, clock } = scripted()
    const copy = calls.migrate(uuid(1), request)
    await settle()
    const pauses = () => asked.filter((line) => line.startsWith('downtime')).map((line) => Number(line.slice(9)))
    let iteration = 1
    answers.jobStats = async () => ({ type: 'unbounded', values: { memory_iteration: iteration } })
    const second = async () => {
      await clock.advance(1000)
      await settle()
    }
    await second()
    expect(pauses()).toEqual([8])
    iteration = 2
    await second()
    answers.jobStats = () => Promise.reject(refusal(VIR_ERR.OPERATION_INVALID))
    await second()
    expect(pauses()).toEqual([8, 16])
    answers.jobStats = async () => ({ type: 'unbounded', values: { memory_iteration: 9 } })
    for (let each = 0; each < 5; each += 1) await second()
    expect(pauses()).toEqual([8, 16, 32, 64, 77])
    copies[0]?.done()
    await copy
    await second()
    expect(pauses()).toHaveLength(5)
  })

  it('are one per VM', async () => {
    const { calls, copies } = scripted()
    const copy = calls.migrate(uuid(1), request)
    await expect(calls.migrate(uuid(1), request)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    await settle()
    copies[0]?.failed(refusal(VIR_ERR.OPERATION_ABORTED))
    await expect(copy).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
    const second = calls.migrate(uuid(1), request)
    await settle()
    copies[1]?.done()
    await second
  })

  it('wait for a place that libvirt would read them from, and can be called off there', async () => {
    const { calls, copies } = scripted()
    const running = [1, 2, 3, 4, 5].map((number) => calls.migrate(uuid(number), request))
    const sixth = calls.migrate(uuid(6), request)
    await settle()
    expect(copies).toHaveLength(5)
    await calls.abort(uuid(6))
    const refused = expect(sixth).rejects.toThrow('called off before it began')
    for (const copy of copies) copy.done()
    await Promise.all(running)
    await refused
    expect(copies).toHaveLength(5)
  })

  it('take "no such job" and "no such domain" for an answer', async () => {
    const { calls, answers } = scripted()
    for (const code of [VIR_ERR.NO_DOMAIN, VIR_ERR.OPERATION_INVALID]) {
      answers.abort = () => Promise.reject(refusal(code))
      answers.jobStats = () => Promise.reject(refusal(code))
      await calls.abort(uuid(1))
      expect(await calls.progress(uuid(1))).toBeUndefined()
    }
    answers.jobStats = () => Promise.reject(refusal(VIR_ERR.OPERATION_UNSUPPORTED))
    expect(await calls.progress(uuid(1))).toBeUndefined()
    answers.abort = () => Promise.reject(refusal(VIR_ERR.INTERNAL_ERROR))
    await expect(calls.abort(uuid(1))).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
  })
})
