/** The operator's pages cannot go stale: faults, commands, settings and files that they must name, or name, are those of the source. */
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Config, parseConfig } from '../../src/model/config.ts'
import { parseDomainXml } from '../../src/model/domain-xml.ts'
import { readSource, repositoryRoot, sourceFiles } from './source-files.ts'

const guide = readSource('docs/operator-guide.md')
/** Everything written by hand for operators. */
const operatorPages = readdirSync(join(repositoryRoot, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => ({ name, text: readSource(`docs/${name}`) }))

/** Ids of faults in a source text: every capital name with an underscore that is no error code, with or without an object. */
function faultIds(text: string): string[] {
  return [...text.matchAll(/['`]([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?=[:'`])/g)]
    .map(([, id = '']) => id)
    .filter((id) => !id.startsWith('PVC_'))
}

/** Faults are raised by the node, by the primary and its fencer, and by the model for nodes and VMs as seen from outside. */
const raised = new Set(
  ['src/node', 'src/coordinator', 'src/fence', 'src/model', 'src/console']
    .flatMap(sourceFiles)
    .flatMap((file) => faultIds(readSource(file))),
)
const explained = [...guide.matchAll(/^#### `([A-Z_]+)`$/gm)].map(([, id = '']) => id)

describe('faults in the operator guide', () => {
  it('are found in the source', () => {
    expect(faultIds("faults.set('DISK_LOST', 'error', m); { id: `VM_ODD:x` }; 'PVC_XML_INVALID'")).toEqual([
      'DISK_LOST',
      'VM_ODD',
    ])
    expect([...raised]).toEqual(expect.arrayContaining(['ALIEN_DOMAIN', 'DOCUMENT_REFUSED', 'NODE_STATE']))
  })

  it('have an entry each: what it means, what to do', () => {
    expect([...raised].filter((id) => !explained.includes(id))).toEqual([])
  })

  it('stand in the order of the alphabet', () => {
    expect(explained).toEqual(explained.toSorted())
  })

  it('exist', () => {
    expect(explained.filter((id) => !raised.has(id))).toEqual([])
  })

  it('are all raised by literal names, or this test would not see them', () => {
    const calls = sourceFiles('src/node')
      .filter((file) => file !== 'src/node/faults.ts')
      .flatMap((file) =>
        [...readSource(file).matchAll(/\bfaults\.(?:set|clear|replace)\(\s*(\S{1,2})/g)].map(([call, first = '']) => ({
          call: `${file}: ${call}`,
          isLiteral: /^['`]/.test(first),
        })),
      )
    expect(calls.length).toBeGreaterThan(10)
    // The board of one VM puts its id together from a literal in the same file or from the decision's.
    const computed = calls.filter(
      ({ isLiteral, call }) => !isLiteral && !call.startsWith('src/node/domain/reconcile.ts'),
    )
    expect(computed.map(({ call }) => call)).toEqual([])
  })
})

describe.each(operatorPages.filter(({ name }) => name !== 'from-python-pvc.md'))('commands in $name', ({ text }) => {
  const cli = readSource('docs/generated/cli.md')
  const commands = new Set([...cli.matchAll(/^## (pvc .+)$/gm)].map(([, name = '']) => name))
  const isGroup = (name: string): boolean => [...commands].some((other) => other.startsWith(`${name} `))

  it('exist, with their options', () => {
    const unknown: string[] = []
    const seen: string[] = []
    for (const [call] of text.matchAll(
      /\bpvc (-[a-z] (\w+ (?=vm|node))?)*(node|vm|storage|cluster|connection) [^`#|\n>;)]*/g,
    )) {
      const words = call.trim().split(/\s+/).slice(1)
      while (words[0]?.startsWith('-')) words.splice(0, words[0] === '-c' ? 2 : 1)
      let name = 'pvc'
      while (words[0] !== undefined && commands.has(`${name} ${words[0]}`)) name = `${name} ${words.shift()}`
      seen.push(name)
      if (isGroup(name)) unknown.push(call)
      const help = cli.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? ''
      for (const option of words.filter((word) => /^--?[a-z]/.test(word))) {
        if (!new RegExp(`(^|[\\s,])${option}[\\s,]`, 'm').test(help)) unknown.push(`${call}: ${option}`)
      }
    }
    expect(unknown).toEqual([])
    expect(seen.length).toBeGreaterThan(10)
  })
})

describe('links', () => {
  const slugsOf = (text: string): string[] =>
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    )

  it.each([
    ...operatorPages.map(({ name }) => `docs/${name}`),
    'docs/generated/errors.md',
    ...readdirSync(join(repositoryRoot, 'docs/decisions')).map((name) => `docs/decisions/${name}`),
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
  ])('in %s lead somewhere', (page) => {
    const links = [...readSource(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    const dead = links.filter((target) => {
      if (target.startsWith('https://')) return false
      const [file = '', anchor] = target.split('#')
      const path = join(repositoryRoot, page, '..', file === '' ? relative(join(page, '..'), page) : file)
      if (!existsSync(path)) return true
      return anchor !== undefined && !slugsOf(readSource(relative(repositoryRoot, path))).includes(anchor)
    })
    expect(dead).toEqual([])
  })
})

describe('the rest of the operator guide', () => {
  it('explains every part of the configuration, and no other', () => {
    const named = [...guide.matchAll(/`([a-z]+\.[a-zA-Z]+)`/g)].map(([, key = '']) => key.split('.'))
    const shape: Record<string, unknown> = Config.shape
    const sections = Object.keys(shape)
    for (const section of sections) expect(guide).toContain(`\`${section}`)
    const ours = named.filter(([section = '']) => sections.includes(section))
    const complete = parseConfig(exampleConfig(), 'hv1')
    const config: Record<string, object> = 'config' in complete ? complete.config : {}
    const optional = ['api.listen', 'api.tls', 'fencing.maxNodes', 'network.underlayDevice', 'network.bridgeDevice']
    const wrong = ours.filter(([section = '', key = '']) => !(key in (config[section] ?? {})))
    expect(wrong.map((key) => key.join('.')).filter((key) => !optional.includes(key))).toEqual([])
    expect(ours.length).toBeGreaterThan(15)
  })

  it('has an example VM that can be defined', () => {
    const xml = /```xml\n([\s\S]*?)```/.exec(guide)?.[1] ?? ''
    expect(parseDomainXml(xml)).toMatchObject({ name: 'web', vcpus: 2, memoryMiB: 2048, rbdList: ['vms/web-disk0'] })
  })
})

function exampleConfig(): unknown {
  const address = '10.90.0.11'
  return {
    cluster: { name: 'c', coordinators: ['hv1'] },
    node: { clusterAddress: address, storageAddresses: [address] },
    zookeeper: { servers: [`${address}:2181`] },
    ceph: { secretUuid: '5d3c7f1e-6c0e-4d3c-9d54-0f6a6f2f5b11' },
  }
}
