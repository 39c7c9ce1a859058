/** Seals what switches a node's power, so that it can lie in ZooKeeper (AES-256-GCM under the cluster key). */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import { PowerAccess } from '../../model/power.ts'
import type { PowerVault } from '../../ports/power.ts'
import type { ClusterKey } from './cluster-key.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Creates the vault of one cluster key, which is that of the node `self`. The text in a document is base64 of nonce, ciphertext
 * and tag.
 */
export function createPowerVault(key: ClusterKey, self: NodeName): PowerVault {
  const secret = key.derive('seal')
  return {
    document(node, access) {
      const text = JSON.stringify(access)
      const sealed = access.method === 'none' ? '' : seal(secret, node, text)
      return { method: access.method, sealed, fingerprint: fingerprint(key, node, access) }
    },
    fingerprint: (node, access) => fingerprint(key, node, access),
    open(node, document) {
      if (document.method === 'none') return { method: 'none' }
      try {
        return PowerAccess.parse(JSON.parse(unseal(secret, node, document.sealed)))
      } catch (error) {
        // Not the error itself as cause: a parser's message could show what it parsed.
        const reason = error instanceof SyntaxError ? 'it is damaged' : errorChain(error)
        throw new PvcError(
          'PVC_STATE_REFUSED',
          `How the power of node ${node} is switched cannot be opened with the cluster key of ${self} (${reason}): is cluster.keyFile the same on both? Restart pvcnoded where you mend it.`,
        )
      }
    },
  }
}

function fingerprint(key: ClusterKey, node: NodeName, access: PowerAccess): string {
  return key.fingerprint(JSON.stringify(['power', node, access]))
}

/** The node's name is authenticated with it: the access of one node does not pass for another's. */
function context(node: NodeName): Buffer {
  return Buffer.from(`pvc power 1 ${node}`)
}

function seal(secret: Buffer, node: NodeName, text: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, secret, nonce).setAAD(context(node))
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

/** @throws Error when key, node or text is not the one it was sealed with */
function unseal(secret: Buffer, node: NodeName, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64')
  const end = bytes.length - TAG_BYTES
  if (end < NONCE_BYTES) throw new Error('too short')
  const decipher = createDecipheriv(CIPHER, secret, bytes.subarray(0, NONCE_BYTES))
  decipher.setAAD(context(node)).setAuthTag(bytes.subarray(end))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8')
}
