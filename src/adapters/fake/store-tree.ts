/** The znodes of the fake ensemble: plain data with ZooKeeper's rules and numbers. No sessions, no time. */
import type { CreateMode, RawNode, Written } from '../../ports/store.ts'
import { parentPath } from '../zookeeper/document.ts'
import { type Operation, RC, storeError } from '../zookeeper/return-code.ts'

/** What one transaction changed, as watches see it. */
export type TreeChange = { readonly path: string; readonly kind: 'created' | 'changed' | 'deleted' | 'children' }

type Znode = {
  text: string
  version: number
  czxid: bigint
  mzxid: bigint
  /** Counts child creations: the number in sequential names. */
  sequence: number
  ephemeralOwner: string
  readonly children: Set<string>
}

/** What a reader sees of a tree. */
export type TreeView = {
  get(path: string): RawNode | undefined
  children(path: string): readonly string[] | undefined
}

/** Removing on request and expiring a session both end here; writes report what they changed to `onChange`. */
export class FakeTree implements TreeView {
  readonly #nodes = new Map<string, Znode>()
  readonly #onChange: (changes: readonly TreeChange[]) => void
  #zxid = 0n

  constructor(onChange: (changes: readonly TreeChange[]) => void) {
    this.#onChange = onChange
    this.#nodes.set('/', this.#newNode('', '0'))
  }

  /** Last transaction. */
  get zxid(): bigint {
    return this.#zxid
  }

  get(path: string): RawNode | undefined {
    return rawNode(this.#nodes.get(path))
  }

  children(path: string): readonly string[] | undefined {
    return namesOf(this.#nodes.get(path))
  }

  /** @returns the path, with its number when the mode is sequential */
  create(path: string, text: string, mode: CreateMode, session: string): string {
    const parent = parentPath(path)
    if (parent === undefined) throw storeError(RC.nodeExists, 'create', path)
    const above = this.#need(parent, 'create', path)
    if (above.ephemeralOwner !== '0') throw storeError(RC.noChildrenForEphemerals, 'create', path)
    const isSequential = mode === 'sequential' || mode === 'ephemeral-sequential'
    const full = isSequential ? `${path}${String(above.sequence).padStart(10, '0')}` : path
    if (this.#nodes.has(full)) throw storeError(RC.nodeExists, 'create', path)
    this.#zxid += 1n
    above.sequence += 1
    const isEphemeral = mode === 'ephemeral' || mode === 'ephemeral-sequential'
    this.#nodes.set(full, this.#newNode(text, isEphemeral ? session : '0'))
    above.children.add(full.slice(full.lastIndexOf('/') + 1))
    this.#onChange([
      { path: full, kind: 'created' },
      { path: parent, kind: 'children' },
    ])
    return full
  }

  set(path: string, text: string, version: number): Written {
    const node = this.#need(path, 'set', path)
    if (node.version !== version) throw storeError(RC.badVersion, 'set', path)
    this.#zxid += 1n
    node.text = text
    node.version += 1
    node.mzxid = this.#zxid
    this.#onChange([{ path, kind: 'changed' }])
    return { version: node.version, mzxid: node.mzxid }
  }

  replaceEphemeral(path: string, text: string, version: number, session: string): void {
    this.remove(path, version, 'replace')
    this.create(path, text, 'ephemeral', session)
  }

  remove(path: string, version: number | undefined, op: Operation = 'remove'): void {
    const node = this.#need(path, op, path)
    if (version !== undefined && node.version !== version) throw storeError(RC.badVersion, op, path)
    if (node.children.size > 0) throw storeError(RC.notEmpty, op, path)
    this.#zxid += 1n
    const parent = parentPath(path) ?? '/'
    this.#nodes.delete(path)
    this.#nodes.get(parent)?.children.delete(path.slice(path.lastIndexOf('/') + 1))
    this.#onChange([
      { path, kind: 'deleted' },
      { path: parent, kind: 'children' },
    ])
  }

  /** Ends a session: its ephemerals vanish. */
  removeEphemerals(session: string): void {
    for (const [path, node] of [...this.#nodes]) if (node.ephemeralOwner === session) this.remove(path, undefined)
  }

  /**
   * Puts other text under a path without a version check, as an operator with zkCli or a rolled-back ensemble would:
   * `numbers` lets it carry older ones than were seen before.
   */
  tamper(path: string, text: string, numbers: { version?: number; mzxid?: bigint; czxid?: bigint } = {}): void {
    const node = this.#need(path, 'set', path)
    this.#zxid += 1n
    node.text = text
    node.version = numbers.version ?? node.version + 1
    node.mzxid = numbers.mzxid ?? this.#zxid
    node.czxid = numbers.czxid ?? node.czxid
    this.#onChange([{ path, kind: 'changed' }])
  }

  /** The tree as it is now, for a server that lags behind. */
  snapshot(): TreeView {
    const nodes = new Map([...this.#nodes].map(([path, node]) => [path, { ...node, children: new Set(node.children) }]))
    return { get: (path) => rawNode(nodes.get(path)), children: (path) => namesOf(nodes.get(path)) }
  }

  /** The next transactions have numbers above this one, as under a new leader. */
  skipTo(zxid: bigint): void {
    if (zxid > this.#zxid) this.#zxid = zxid
  }

  /** Every path with its text, parents before children, for assertions. */
  dump(): ReadonlyMap<string, string> {
    return new Map([...this.#nodes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, node]) => [path, node.text]))
  }

  #need(path: string, op: Operation, shown: string): Znode {
    const node = this.#nodes.get(path)
    if (!node) throw storeError(RC.noNode, op, shown)
    return node
  }

  #newNode(text: string, ephemeralOwner: string): Znode {
    const zxid = this.#zxid
    return { text, version: 0, czxid: zxid, mzxid: zxid, sequence: 0, ephemeralOwner, children: new Set() }
  }
}

function rawNode(node: Znode | undefined): RawNode | undefined {
  if (!node) return undefined
  const { text, version, czxid, mzxid, ephemeralOwner } = node
  return { text, version, czxid, mzxid, ephemeralOwner }
}

function namesOf(node: Znode | undefined): readonly string[] | undefined {
  return node && [...node.children]
}
