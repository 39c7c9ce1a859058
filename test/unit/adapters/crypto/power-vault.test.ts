import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClusterKey } from '../../../../src/adapters/crypto/cluster-key.ts'
import { createPowerVault } from '../../../../src/adapters/crypto/power-vault.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import { PowerDocument } from '../../../../src/model/power.ts'

const [hv1, hv2] = [NodeName.parse('hv1'), NodeName.parse('hv2')]
const vault = createPowerVault(new ClusterKey(Buffer.alloc(32, 1)), hv2)
const access = {
  method: 'ipmi',
  host: 'bmc1',
  user: 'admin',
  password: 'hidden-word',
  interface: 'lanplus',
  cipherSuite: 3,
} as const

describe('a sealed power access', () => {
  it('opens to what it was, under the same key and name', () => {
    fc.assert(
      fc.property(fc.string(), (password) => {
        const document = vault.document(hv1, { ...access, password })
        expect(vault.open(hv1, PowerDocument.parse(JSON.parse(JSON.stringify(document))))).toEqual({
          ...access,
          password,
        })
      }),
    )
  })

  it('shows nothing, and looks another each time', () => {
    const [one, two] = [vault.document(hv1, access), vault.document(hv1, access)]
    expect(JSON.stringify(one)).not.toMatch(/hidden|admin|bmc1/)
    expect(Buffer.from(one.sealed, 'base64').toString('latin1')).not.toMatch(/hidden|admin|bmc1/)
    expect(one.sealed).not.toBe(two.sealed)
    expect(one.fingerprint).toBe(two.fingerprint)
  })

  it('has a fingerprint that changes with the access and the node', () => {
    const prints = [vault.fingerprint(hv1, access), vault.fingerprint(hv2, access)]
    prints.push(vault.fingerprint(hv1, { ...access, password: 'other' }))
    expect(new Set(prints).size).toBe(3)
  })

  it.each([
    ['for another node', () => vault.open(hv2, vault.document(hv1, access))],
    [
      'under another key',
      () => createPowerVault(new ClusterKey(Buffer.alloc(32, 2)), hv2).open(hv1, vault.document(hv1, access)),
    ],
    ['changed by one bit', () => vault.open(hv1, damaged(vault.document(hv1, access)))],
    ['cut off', () => vault.open(hv1, { ...vault.document(hv1, access), sealed: 'AAAA' })],
  ])('does not open %s', (_, open) => {
    expect(open).toThrowError(/cannot be opened with the cluster key of hv2 /)
    expect(open).not.toThrowError(/hidden/)
  })

  it('is empty for a node without power control', () => {
    const document = vault.document(hv1, { method: 'none' })
    expect(document).toMatchObject({ method: 'none', sealed: '' })
    expect(vault.open(hv1, document)).toEqual({ method: 'none' })
  })
})

function damaged(document: PowerDocument): PowerDocument {
  const bytes = Buffer.from(document.sealed, 'base64')
  bytes[20] = (bytes[20] ?? 0) ^ 1
  return { ...document, sealed: bytes.toString('base64') }
}
