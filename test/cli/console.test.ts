/** `pvc vm console` over sockets through the real API and the real peer endpoint of a node, to guests that answer with what they hear. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeHypervisor } from '../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../src/adapters/fake/libvirtd.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { FakeProcesses } from '../../src/adapters/fake/processes.ts'
import { createConsoleDoor } from '../../src/adapters/peer/console-door.ts'
import { CONSOLE_PATH, createConsoleUpgrade } from '../../src/adapters/peer/console-upgrade.ts'
import { createPeerNetwork, newToken } from '../../src/adapters/peer/peer-network.ts'
import { buildApp } from '../../src/api/app.ts'
import type { RawTerminal } from '../../src/cli/host.ts'
import { ConsoleSessions } from '../../src/console/sessions.ts'
import { LifeId, NodeName } from '../../src/model/ids.ts'
import type { PeerEndpoint } from '../../src/ports/peer.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, startCluster, type TestCluster, vmXml } from '../api/cluster.ts'
import { pollUntil } from '../lab/poll.ts'
import { realClock, runCli } from './pvc-run.ts'

const hv1 = NodeName.parse('hv1')
const address = '127.0.0.1'
const clock = createSystemClock()
const log = new FakeLog()
const mark = { life: LifeId.parse('life-1'), seq: 1 }

let cluster: TestCluster
let endpoint: PeerEndpoint
let libvirtd: FakeLibvirtd
let apiPort = 0

async function freePort(): Promise<number> {
  const server = createServer().listen(0, address)
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

beforeEach(async () => {
  const [key, port] = [randomBytes(32), await freePort()]
  libvirtd = new FakeLibvirtd({ clock, processes: new FakeProcesses() })
  const sessions = new ConsoleSessions(new FakeHypervisor({ libvirtd }), log)
  const upgrade = createConsoleUpgrade({ open: (...call) => sessions.open(...call), clock, log })
  const upgrades = new Map([[CONSOLE_PATH, upgrade]])
  const network = createPeerNetwork({ self: hv1, key, port, addresses: [address], clock, log, upgrades })
  endpoint = network.serve({ probeFor: async () => [], notServingForMs: async () => 0, wake: () => undefined })
  const openConsole = createConsoleDoor({ self: NodeName.parse('hv2'), key, port, log, newToken })
  cluster = await startCluster({ openConsole })
  await cluster.change(tree.node(hv1).status, (status) => ({ ...status, clusterAddr: address }))
  await cluster.app.listen({ host: address, port: 0 })
  apiPort = (cluster.app.server.address() as AddressInfo).port
})
afterEach(async () => {
  await cluster.close()
  await endpoint.close()
})

function selfSigned() {
  const dir = mkdtempSync(join(tmpdir(), 'pvc-tls-'))
  const [key, certificate] = [join(dir, 'key'), join(dir, 'certificate')]
  const names = ['-subj', '/CN=api', '-addext', `subjectAltName=IP:${address}`]
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  execFileSync('openssl', [...made, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const tls = { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') }
  rmSync(dir, { recursive: true })
  return tls
}

/** Defines a VM and lets it run on hv1. */
async function startGuest(name: string) {
  const { uuid } = await define(cluster, name)
  await new FakeHypervisor({ libvirtd }).create(uuid, vmXml(name, { uuid }), mark)
  await cluster.report(name, () => ({ run: { node: hv1, life: mark.life, holder: null }, phase: 'running' }))
  return uuid
}

/** Somebody at a terminal, who types when told to. */
class Person implements RawTerminal {
  screen = ''
  restored = 0
  #take: (typed: Uint8Array | undefined) => void = () => undefined
  onInput(take: (typed: Uint8Array | undefined) => void): void {
    this.#take = take
  }
  write(bytes: Uint8Array, done: () => void): void {
    this.screen += Buffer.from(bytes).toString()
    done()
  }
  restore(): void {
    this.restored += 1
  }
  type(text: string): void {
    this.#take(Buffer.from(text))
  }
  /** Types until the guest answers: before the console is open nobody hears it. */
  async isAnswered(text: string): Promise<void> {
    await pollUntil({ what: `the guest answers ${text}`, timeoutMs: 5000, intervalMs: 20 }, async () => {
      if (!this.screen.includes(text)) this.type(text)
      return this.screen.includes(text)
    })
  }
}

function useConsole(person: Person, words = 'web', key = cluster.tokens.operator, scheme = 'http') {
  const entry = { description: 'Real', host: address, port: apiPort, scheme, api_key: key }
  return runCli({
    argv: ['vm', 'console', ...words.split(' ')],
    isBare: true,
    env: { PVC_CONNECTION: 'real', PVC_CLIENT_VERIFY_SSL: String(scheme === 'http') },
    files: { 'pvc.json': JSON.stringify({ real: entry }) },
    clock: realClock,
    terminal: person,
  })
}

const audited = async () => (await cluster.call('GET', '/audit')).body as readonly Record<string, unknown>[]

describe('pvc vm console', () => {
  it('carries keys to the guest and its answers back, until Ctrl-]', async () => {
    const uuid = await startGuest('web')
    const person = new Person()
    const run = useConsole(person)
    await person.isAnswered('ls\r')
    libvirtd.consoles.print(uuid, 'ä€😀')
    await pollUntil({ what: 'the text is shown', timeoutMs: 3000 }, async () => person.screen.endsWith('ä€😀'))
    person.type('bye\x1dnot this')
    const { exitCode, stderr } = await run
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(/Connected to the console of VM "web".*\n\nLeft the console\.\n$/s)
    expect(person.restored).toBe(1)
    expect(person.screen).not.toContain('not this')
    expect(await audited()).toContainEqual(
      expect.objectContaining({
        action: 'vmConsoleInteractive',
        target: 'web',
        result: 'done',
        role: 'operator',
        message: "Opened the console of VM 'web' on node hv1.",
      }),
    )
  })

  it('belongs to one person, until somebody takes it over', async () => {
    await startGuest('web')
    const [first, second, third] = [new Person(), new Person(), new Person()]
    const firstRun = useConsole(first)
    await first.isAnswered('one')
    const refused = await useConsole(second)
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Somebody else uses this console; --force takes it over.'),
    })
    expect(second.restored).toBe(0)
    const thirdRun = useConsole(third, 'web --force')
    expect((await firstRun).stderr).toContain('The console ended: somebody else took the console.')
    await third.isAnswered('three')
    third.type('\x1d')
    expect((await thirdRun).exitCode).toBe(0)
    expect((await audited()).map(({ result }) => result)).toEqual(expect.arrayContaining(['refused', 'done']))
  })

  it('ends with the guest, and can be opened again', async () => {
    const uuid = await startGuest('web')
    const person = new Person()
    const run = useConsole(person)
    await person.isAnswered('x')
    libvirtd.consoles.end(uuid)
    expect(await run).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('The console ended: the guest ended or moved'),
    })
    const again = new Person()
    const next = useConsole(again)
    await again.isAnswered('y')
    again.type('\x1d')
    expect((await next).exitCode).toBe(0)
  })

  it('says so when the VM is off, and lets nobody in who may only read', async () => {
    await define(cluster, 'web')
    const off = await useConsole(new Person())
    expect(off).toMatchObject({ exitCode: 1 })
    expect(off.stderr).toContain("VM 'web' does not run, so it has no console: start it first.")
    const reader = await useConsole(new Person(), 'web', cluster.tokens['read-only'])
    expect(reader).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('This needs the role operator') })
    const plain = await cluster.call('GET', '/vm/web/console/interactive')
    expect(plain).toMatchObject({ status: 400 })
  })

  it('does not make a change whose body it cannot read', async () => {
    await startGuest('web')
    const socket = connect(apiPort, address)
    const lines = ['POST /api/v1/vm/web/state HTTP/1.1', 'Host: api', 'Connection: Upgrade', 'Upgrade: h2c']
    socket.write([...lines, `X-Api-Key: ${cluster.tokens.admin}`, 'Content-Length: 10', '', 'state=stop'].join('\r\n'))
    let answer = ''
    for await (const data of socket) answer += String(data)
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*Only a GET may ask for an upgrade/s)
    expect((await audited()).map(({ action }) => action)).not.toContain('vmSetState')
  })

  it('works over TLS', async () => {
    const tls = selfSigned()
    const app = buildApp(cluster.deps, { tls })
    await app.listen({ host: address, port: 0 })
    apiPort = (app.server.address() as AddressInfo).port
    await startGuest('web')
    const person = new Person()
    const run = useConsole(person, 'web', cluster.tokens.operator, 'https')
    await person.isAnswered('over TLS')
    person.type('\x1d')
    expect(await run).toMatchObject({ exitCode: 0 })
    await app.close()
  })

  it('is lost with its node, and says that the guest runs on', async () => {
    await startGuest('web')
    const person = new Person()
    const run = useConsole(person)
    await person.isAnswered('x')
    await endpoint.close()
    const { exitCode, stderr } = await run
    expect(exitCode).toBe(1)
    expect(stderr).toContain('The connection to the console was lost')
    expect(person.restored).toBe(1)
  })

  it('ends when its token is taken back', { timeout: 10_000 }, async () => {
    await startGuest('web')
    const person = new Person()
    const run = useConsole(person)
    let isOver = false
    void run.finally(() => {
      isOver = true
    })
    await person.isAnswered('x')
    const id = cluster.index.children(tree.tokens.path).find((each) => {
      const token = cluster.index.get(tree.tokens.child(each))?.value
      return token?.role === 'operator'
    })
    const key = tree.tokens.child(id ?? '')
    await cluster.session.remove(key.path)
    await cluster.index.removed(key.path, 1000)
    await pollUntil({ what: 'the API looks at the token', timeoutMs: 5000, intervalMs: 20 }, async () => {
      await cluster.clock.advance(1000)
      return isOver
    })
    expect((await run).stderr).toContain('The connection to the console was lost')
  })
})
