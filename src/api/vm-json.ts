import { compatVmDynamic, compatVmStatic } from '../model/compat-vm.ts'
import type { VmSpec } from '../model/domain.ts'
import { type DomainFacts, parseDomainXml } from '../model/domain-xml.ts'
import type { VmUuid } from '../model/ids.ts'
import type { GuestStats, NodeStats } from '../model/node.ts'
import type { DocumentIndex } from '../operations/document-index.ts'
import { byName, eachVm, readNodeStats, type VmEntry } from '../operations/view.ts'

/** What is shown of a stored definition that cannot be read: a list must not fail because of one VM. */
const NO_FACTS: DomainFacts = {
  name: '',
  uuid: undefined,
  description: 'N/A',
  memoryMiB: 0,
  vcpus: 0,
  topology: 'N/A',
  osType: '',
  arch: '',
  machine: '',
  console: '',
  emulator: '',
  features: [],
  disks: [],
  networks: [],
  controllers: [],
  rbdList: [],
  isEmulated: false,
  isCpuPassedThrough: false,
  liveObstacles: [],
}

type Written = {
  readonly specMzxid: bigint
  readonly facts: DomainFacts
  /** `{…` : everything that changes only with the specification; the definition is most of it. */
  readonly head: Buffer
  statusMzxid: bigint
  stats: GuestStats | undefined
  /** `,…}` : the rest. */
  tail: Buffer
}

/** Longest stretch of preparation between two turns of the event loop. */
const SLICE_MS = 3

const COMMA = Buffer.from(',')
const OPEN = Buffer.from('[')
const CLOSE = Buffer.from(']')

/**
 * VMs as JSON text, each part kept until the document it comes from changes. A list of a thousand VMs is about five
 * megabytes, and writing it anew for each request would take longer than everything else together.
 */
export class VmJson {
  readonly #index: DocumentIndex
  readonly #written = new Map<VmUuid, Written>()
  readonly #guests = new WeakMap<NodeStats, ReadonlyMap<VmUuid, GuestStats>>()
  /** The list of all VMs, until anything changes. */
  #all: Buffer | undefined
  /** Whether somebody asked for a list since the last preparation. */
  #isAsked = true
  #isPreparing = false

  constructor(index: DocumentIndex) {
    this.#index = index
    index.onChange(() => {
      this.#all = undefined
      if (this.#isPreparing || !this.#isAsked) return
      this.#isPreparing = true
      this.#isAsked = false
      setImmediate(() => this.#prepare([...eachVm(index)]))
    })
  }

  /** Writes what changed while nobody waits, a little at a time, as long as lists are asked for at all. */
  #prepare(entries: VmEntry[]): void {
    const begunMs = performance.now()
    for (let entry = entries.pop(); entry !== undefined; entry = entries.pop()) {
      this.#write(entry)
      if (performance.now() - begunMs < SLICE_MS) continue
      setImmediate(() => this.#prepare(entries))
      return
    }
    this.#isPreparing = false
  }

  /** A JSON list of all VMs, by name. */
  all(): Buffer {
    this.#isAsked = true
    if (this.#all !== undefined) return this.#all
    const entries = [...eachVm(this.#index)].sort(byName)
    this.#forgetOthers(entries)
    this.#all = this.list(entries)
    return this.#all
  }

  /** A JSON list of the VMs. */
  list(entries: readonly VmEntry[]): Buffer {
    const parts: Buffer[] = [OPEN]
    for (const entry of entries) {
      const { head, tail } = this.#write(entry)
      if (parts.length > 1) parts.push(COMMA)
      parts.push(head, tail)
    }
    parts.push(CLOSE)
    return Buffer.concat(parts)
  }

  /** Forgets VMs that no longer exist. */
  #forgetOthers(living: readonly VmEntry[]): void {
    if (this.#written.size <= living.length) return
    const uuids = new Set(living.map(({ spec }) => spec.value.uuid))
    for (const uuid of this.#written.keys()) if (!uuids.has(uuid)) this.#written.delete(uuid)
  }

  #write(entry: VmEntry): Written {
    const { spec, status, statusMzxid } = entry
    const stats = status.run === null ? undefined : this.#guestStats(spec.value, entry)
    let written = this.#written.get(spec.value.uuid)
    if (written === undefined || written.specMzxid !== spec.mzxid) {
      const facts = readFacts(spec.value)
      const text = JSON.stringify(compatVmStatic(spec.value, facts))
      const head = Buffer.from(text.slice(0, -1))
      written = { specMzxid: spec.mzxid, facts, head, statusMzxid: -1n, stats: undefined, tail: CLOSE }
      this.#written.set(spec.value.uuid, written)
    }
    if (written.statusMzxid !== statusMzxid || written.stats !== stats) {
      const text = JSON.stringify(compatVmDynamic(spec.value, status, written.facts, stats))
      written.tail = Buffer.from(`,${text.slice(1)}`)
      written.statusMzxid = statusMzxid
      written.stats = stats
    }
    return written
  }

  #guestStats(spec: VmSpec, entry: VmEntry): GuestStats | undefined {
    const document = readNodeStats(this.#index, entry.status.run?.node ?? spec.node)
    if (document === undefined) return undefined
    let guests = this.#guests.get(document.value)
    if (guests === undefined) {
      guests = new Map(document.value.guests.map((guest) => [guest.uuid, guest]))
      this.#guests.set(document.value, guests)
    }
    return guests.get(spec.uuid)
  }
}

function readFacts(spec: VmSpec): DomainFacts {
  try {
    return parseDomainXml(spec.xml)
  } catch {
    return NO_FACTS
  }
}
