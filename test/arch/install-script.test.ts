/** scripts/install installs what we ship, all of it, to where the operator guide says. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSource, repositoryRoot } from './source-files.ts'

const guide = readSource('docs/operator-guide.md')

describe('scripts/install', () => {
  const script = readSource('scripts/install')
  const table = [...script.matchAll(/^(?:644|755) (\S+) +(\/\S+)$/gm)].map(([, file = '', place = '']) => ({
    file,
    place,
  }))

  it('names files that are there', () => {
    expect(table.length).toBeGreaterThan(5)
    expect(table.filter(({ file }) => !existsSync(join(repositoryRoot, file)))).toEqual([])
    const parts = /^tree_parts=\((.*)\)$/m.exec(script)?.[1]?.split(' ') ?? []
    const built = ['dist', 'native/libvirt/build/Release/pvc_libvirt.node', 'native/guard/build/pvc-guard']
    expect(parts).toEqual(expect.arrayContaining(built))
    expect(parts.filter((part) => !built.includes(part) && !existsSync(join(repositoryRoot, part)))).toEqual([])
    const programs = [...script.matchAll(/^\/usr\/s?bin\/\S+ +dist\/bin\/(\S+)\.js$/gm)].map(([, name]) => name)
    expect(programs).toEqual(['pvcnoded', 'pvcapid'])
    for (const name of programs) expect(existsSync(join(repositoryRoot, `src/bin/${name}.ts`))).toBe(true)
  })

  it('installs every unit, drop-in and hook we ship', () => {
    const shipped = readdirSync(join(repositoryRoot, 'systemd'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(repositoryRoot.length + 1))
    // These two are for the operator to complete or copy; they are below the prefix.
    const examples = ['systemd/zookeeper/zoo.cfg', 'systemd/zookeeper/log4j.properties']
    expect(shipped.filter((file) => !examples.includes(file)).sort()).toEqual(table.map(({ file }) => file).sort())
    for (const file of examples) expect(guide).toContain(`/usr/lib/pvc/${file}`)
  })

  it('puts files where the guide says', () => {
    const folder = (place: string): string => place.replace(/^(\/usr\/lib\/systemd\/system|\/etc\/pvc)\/.*/, '$1')
    for (const { place } of table) expect(guide, place).toContain(`\`${folder(place)}\``)
  })
})
