import { readFile } from 'node:fs/promises'
import { PvcError } from '../../model/errors.ts'

/**
 * Reads the key of a Ceph user from a keyring file, as libvirt's secret wants it (decoded bytes).
 * @param user without `client.`
 * @throws PvcError PVC_CEPH_NOT_FOUND when the file or the user is missing; messages never hold the key
 */
export async function readCephKey(path: string, user: string): Promise<Buffer> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new PvcError('PVC_CEPH_NOT_FOUND', `keyring ${path} cannot be read`, { cause })
  }
  const key = parseKeyring(text, `client.${user}`)
  if (key === undefined) throw new PvcError('PVC_CEPH_NOT_FOUND', `keyring ${path} holds no key of client.${user}`)
  return key
}

/** The key of `entity` in the text of a keyring (INI with one section per entity). */
export function parseKeyring(text: string, entity: string): Buffer | undefined {
  let section = ''
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    const header = /^\[(.+)\]$/.exec(line)
    if (header) section = header[1]?.trim() ?? ''
    const value = /^key\s*=\s*(\S+)$/.exec(line)?.[1]
    if (section === entity && value !== undefined) return decodeKey(value)
  }
  return undefined
}

/** A cephx key is base64 of a type, a time, a length and the secret; anything shorter is damage. */
function decodeKey(value: string): Buffer | undefined {
  const bytes = Buffer.from(value, 'base64')
  return bytes.length >= 12 && bytes.toString('base64') === value ? bytes : undefined
}
