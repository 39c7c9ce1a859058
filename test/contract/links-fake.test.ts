import { FakeLinks } from '../../src/adapters/fake/links.ts'
import { describeLinks } from './links.contract.ts'

describeLinks('the fake', async () => {
  const links = new FakeLinks(['lo', 'eth9'])
  return {
    links,
    async remove(name) {
      await links.apply([{ kind: 'remove', name }])
    },
    close: async () => links.close(),
  }
})
