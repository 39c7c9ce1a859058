/**
 * The words in which pvcnoded, a domain's metadata and the libvirt start hook speak of one start. The hook
 * (systemd/libvirt-hook/qemu) reads the same words in shell.
 */
import { LifeId } from './ids.ts'

/** Namespace of our elements in a domain's `<metadata>`. */
export const MARK_NAMESPACE = 'urn:pvc:domain:1'
/** Prefix under which libvirt keeps them. */
export const MARK_PREFIX = 'pvc'

const LIFE_WORD = /^[A-Za-z0-9._-]+$/

/** The metadata element that says which start a domain belongs to. @throws Error when the life is no plain word */
export function formatMarkElement(mark: { readonly life: string; readonly seq: number }): string {
  return `<${MARK_PREFIX}:run xmlns:${MARK_PREFIX}="${MARK_NAMESPACE}" life="${word(mark.life)}" seq="${mark.seq}"/>`
}

/** The same for libvirt's call that changes metadata: it adds prefix and namespace itself. @throws Error likewise */
export function formatBareMark(mark: { readonly life: string; readonly seq: number }): string {
  return `<run life="${word(mark.life)}" seq="${mark.seq}"/>`
}

/** The metadata element that says by which migration a copy arrives. @throws Error when the id is no plain word */
export function formatMigrationElement(migrationId: string): string {
  return `<${MARK_PREFIX}:migration xmlns:${MARK_PREFIX}="${MARK_NAMESPACE}" id="${word(migrationId)}"/>`
}

/** Text of a permit file: one line, `LIFE SEQ`. @throws Error when the life is no plain word */
export function formatPermit(mark: { readonly life: string; readonly seq: number }): string {
  return `${word(mark.life)} ${mark.seq}\n`
}

/** Reads a permit file; undefined when it is not one. */
export function parsePermit(text: string): { readonly life: LifeId; readonly seq: number } | undefined {
  const match = /^([A-Za-z0-9._-]+) (\d{1,15})\n?$/.exec(text)
  return match ? { life: LifeId.parse(match[1]), seq: Number(match[2]) } : undefined
}

/** Text of a file that lets one copy arrive: one line, the migration's id. @throws Error when the id is no plain word */
export function formatIncoming(migrationId: string): string {
  return `${word(migrationId)}\n`
}

/** Reads such a file; undefined when it is not one. */
export function parseIncoming(text: string): string | undefined {
  return /^([A-Za-z0-9._-]+)\n?$/.exec(text)?.[1]
}

/** Neither XML nor shell may see anything but a plain word. */
function word(text: string): string {
  if (!LIFE_WORD.test(text)) throw new Error(`not a plain word: ${JSON.stringify(text)}`)
  return text
}
