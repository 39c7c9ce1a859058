import type { RuleChecker } from '../../ports/packet-filter.ts'

/** Takes every rule but those with the word nonsense, which it refuses as nft does. */
export const fakeRuleChecker: RuleChecker = {
  check: async (ruleset) => (ruleset.includes('nonsense') ? 'syntax error, unexpected nonsense' : undefined),
}
