import { formatMarkElement, formatMigrationElement, MARK_NAMESPACE } from '../../model/domain-mark.ts'
import { LifeId, type VmUuid } from '../../model/ids.ts'
import { child, parseXml, type XmlElement, xmlError } from '../../model/xml.ts'
import type { DomainMark } from '../../ports/hypervisor.ts'

/** What our element in a domain's metadata says: the start it belongs to, or the migration by which it arrives. */
export type MetadataFacts = { readonly mark: DomainMark | undefined; readonly migrationId: string | undefined }

/**
 * The definition of this very VM with the mark of this start.
 * @throws PvcError PVC_XML_INVALID, also when the definition names another UUID
 */
export function markedDefinition(uuid: VmUuid, xml: string, mark: DomainMark): string {
  const named = child(parseXml(xml), 'uuid')
  if (named?.text.toLowerCase() !== uuid) throw xmlError(named?.line ?? 1, `it is not the definition of VM ${uuid}`)
  return withMark(xml, mark)
}

/** The definition with the mark of this start in its metadata. @throws PvcError PVC_XML_INVALID */
export function withMark(xml: string, mark: DomainMark): string {
  return withElement(xml, formatMarkElement(mark))
}

/**
 * The definition under which a copy arrives at its target: it says by which migration, and carries no mark, so it belongs
 * to no start. @throws PvcError PVC_XML_INVALID
 */
export function arrivingDefinition(xml: string, migrationId: string): string {
  return withElement(xml, formatMigrationElement(migrationId))
}

/**
 * The definition with one element of ours in its metadata; everything else stays as it was written. Elements in our
 * namespace that came with the definition (it was read from a running domain) are taken out: libvirt keeps one only.
 */
function withElement(xml: string, element: string): string {
  const domain = parseXml(xml)
  if (domain.name !== 'domain') throw xmlError(domain.line, `<${domain.name}> is not a domain`)
  const metadata = child(domain, 'metadata')
  if (metadata === undefined) {
    const name = child(domain, 'name')
    if (name === undefined) throw xmlError(domain.line, '<name> is missing')
    return splice(xml, name.end, name.end, `<metadata>${element}</metadata>`)
  }
  const first = metadata.children[0]
  if (first === undefined) return splice(xml, metadata.start, metadata.end, `<metadata>${element}</metadata>`)
  const ours = metadata.children.filter((item) => isOurs(item, [item, metadata, domain]))
  // From the end, so that offsets before a cut stay true.
  const cleaned = ours.reduceRight((text, item) => splice(text, item.start, item.end, ''), xml)
  return splice(cleaned, first.start, first.start, element)
}

/** Reads what libvirt gives for our namespace. Anything damaged counts as no mark: the domain is not ours then. */
export function parseMetadata(xml: string | null | undefined): MetadataFacts {
  const none: MetadataFacts = { mark: undefined, migrationId: undefined }
  if (!xml) return none
  const element = parseXml(xml)
  const { attributes } = element
  const name = localName(element)
  if (name === 'migration') return { ...none, migrationId: attributes['id'] }
  const life = LifeId.safeParse(attributes['life'])
  const seq = attributes['seq'] ?? ''
  if (name !== 'run' || !life.success || !/^\d{1,15}$/.test(seq)) return none
  return { ...none, mark: { life: life.data, seq: Number(seq) } }
}

function splice(text: string, start: number, end: number, insert: string): string {
  return text.slice(0, start) + insert + text.slice(end)
}

function localName(element: XmlElement): string {
  return element.name.slice(element.name.indexOf(':') + 1)
}

/** @param scopes the element and its parents, innermost first: where its prefix may be declared */
function isOurs(element: XmlElement, scopes: readonly XmlElement[]): boolean {
  const colon = element.name.indexOf(':')
  const declaration = colon < 0 ? 'xmlns' : `xmlns:${element.name.slice(0, colon)}`
  const scope = scopes.find((item) => item.attributes[declaration] !== undefined)
  return scope?.attributes[declaration] === MARK_NAMESPACE
}
