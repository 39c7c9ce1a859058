import { PvcError } from '../model/errors.ts'
import { child, parseXml, type XmlElement } from '../model/xml.ts'
import { CommandFailure } from './failure.ts'

/**
 * Edits of a libvirt definition that touch only what they change: the rest keeps its comments, order and spacing, so
 * that the difference shown to a person is the difference made.
 */

/** Parses a definition. @throws CommandFailure with line and reason. */
export function readDefinition(xml: string): XmlElement {
  try {
    const domain = parseXml(xml)
    if (domain.name === 'domain') return domain
    throw new CommandFailure(`The VM definition is not usable: the document is <${domain.name}>, not <domain>.`)
  } catch (error) {
    if (error instanceof PvcError) throw new CommandFailure(error.message, 1, error)
    throw error
  }
}

function replaceRange(xml: string, element: XmlElement, replacement: string): string {
  return xml.slice(0, element.start) + replacement + xml.slice(element.end)
}

/** The element with another text; attributes keep their spelling. Elements inside it are gone. */
function withText(xml: string, element: XmlElement, text: string): string {
  const source = xml.slice(element.start, element.end)
  const open = startTagOf(source).replace(/\s*\/?>$/, '')
  return replaceRange(xml, element, `${open}>${text}</${element.name}>`)
}

/** The start tag at the beginning of an element's source; `>` inside quotes does not end it. */
function startTagOf(source: string): string {
  return /^<(?:"[^"]*"|'[^']*'|[^>"'])*>/.exec(source)?.[0] ?? source
}

/** The start tag with attributes set: replaced where they are, added at its end where they are not. */
function withAttributes(xml: string, element: XmlElement, attributes: Readonly<Record<string, string>>): string {
  const source = xml.slice(element.start, element.end)
  const oldTag = startTagOf(source)
  let tag = oldTag
  for (const [name, value] of Object.entries(attributes)) {
    const pattern = new RegExp(`(\\s${name}\\s*=\\s*)("[^"]*"|'[^']*')`)
    tag = pattern.test(tag)
      ? tag.replace(pattern, (_, head: string, old: string) => `${head}${old[0]}${value}${old[0]}`)
      : tag.replace(/\s*(\/?>)$/, ` ${name}='${value}'$1`)
  }
  return replaceRange(xml, element, tag + source.slice(oldTag.length))
}

function required(domain: XmlElement, name: string): XmlElement {
  const element = child(domain, name)
  if (!element) throw new CommandFailure(`The VM definition has no <${name}>.`)
  return element
}

export type Topology = { readonly sockets: number; readonly cores: number; readonly threads: number }

/** Sets the number of vCPUs, and the topology where the definition has one. */
export function setVcpus(xml: string, vcpus: number, topology: Topology): string {
  const element = required(readDefinition(xml), 'vcpu')
  // `current` counts the vCPUs plugged in at start; it may not be above the number.
  const plugged =
    element.attributes['current'] === undefined ? xml : withAttributes(xml, element, { current: String(vcpus) })
  const next = withText(plugged, required(readDefinition(plugged), 'vcpu'), String(vcpus))
  const domain = readDefinition(next)
  const found = child(child(domain, 'cpu'), 'topology')
  if (!found) return next
  const { sockets, cores, threads } = topology
  // dies and clusters multiply the count too: with a topology of three figures they can only be 1.
  const rest = {
    ...(found.attributes['dies'] && { dies: '1' }),
    ...(found.attributes['clusters'] && { clusters: '1' }),
  }
  return withAttributes(next, found, {
    sockets: String(sockets),
    cores: String(cores),
    threads: String(threads),
    ...rest,
  })
}

/** Sets the memory in MiB, and the current memory where the definition has one: more than the memory is refused by libvirt. */
export function setMemoryMiB(xml: string, memoryMiB: number): string {
  const set = (source: string, name: string) => {
    const retagged = withAttributes(source, required(readDefinition(source), name), { unit: 'MiB' })
    return withText(retagged, required(readDefinition(retagged), name), String(memoryMiB))
  }
  const next = set(xml, 'memory')
  return child(readDefinition(next), 'currentMemory') ? set(next, 'currentMemory') : next
}

/** What stands between the elements inside an element: blanks only, unless there is text or a comment. */
function isPureStructure(xml: string, element: XmlElement): boolean {
  if (element.children.length === 0) return false
  const tagEnd = element.start + startTagOf(xml.slice(element.start, element.end)).length
  const ends = [tagEnd, ...element.children.map((each) => each.end)]
  const starts = [...element.children.map((each) => each.start), xml.lastIndexOf('</', element.end)]
  return ends.every((end, index) => xml.slice(end, starts[index]).trim() === '')
}

/** Indents a definition that was written on one line, so that a person can edit it; any other is left as it is. */
export function readableDefinition(xml: string): string {
  const source = xml.trim()
  if (/>\s*\n\s*</.test(source)) return source
  const lines: string[] = []
  const write = (element: XmlElement, depth: number): void => {
    const indent = '  '.repeat(depth)
    const text = source.slice(element.start, element.end)
    if (!isPureStructure(source, element)) {
      lines.push(indent + text)
      return
    }
    lines.push(indent + startTagOf(text))
    for (const each of element.children) write(each, depth + 1)
    lines.push(`${indent}</${element.name}>`)
  }
  const root = readDefinition(source)
  const before = source.slice(0, root.start).trim()
  if (before !== '') lines.push(before)
  write(root, 0)
  const after = source.slice(root.end).trim()
  if (after !== '') lines.push(after)
  return lines.join('\n')
}
