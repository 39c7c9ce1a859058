/** nftables itself, in an empty network namespace, about the table of gateways. */
import { describe, expect, it } from 'vitest'
import { createRuleChecker } from '../../src/adapters/nft/nft.ts'
import { NO_ACLS } from '../../src/model/network.ts'
import { gatewayTable } from '../../src/node/gateway/filter.ts'
import { anycastNetwork } from '../unit/node/network/fixtures.ts'

const follows = { ...NO_ACLS, in: [{ description: 'answers', rule: 'ct state established accept' }] }
const networks = [1, 2, 3].map((vni) => ({ network: anycastNetwork(vni), acls: vni === 3 ? follows : NO_ACLS }))

describe('nft', () => {
  it.each(['self', 'other', 'nobody'] as const)('takes the table, whoever is primary: %s', async (onward) => {
    expect(await createRuleChecker().check(gatewayTable(networks, onward))).toBeUndefined()
  })

  it('refuses one that is broken', async () => {
    expect(await createRuleChecker().check(gatewayTable(networks, 'other').replace('vmap', 'vmop'))).toBeDefined()
  })
})
