import type { Command } from 'commander'
import type { FenceTest } from '../../contract/node-fence-test.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { formatFenceTests } from '../output/fence-test-view.ts'
import { formatOption, type OpenSession } from './options.ts'

/** `node fence-test`. */
export function addNodeFenceTest(node: Command, open: OpenSession): void {
  node
    .command('fence-test')
    .summary('Test whether nodes could be fenced.')
    .description(
      'Let every coordinator that runs test whether NODE, or every node, could be fenced now: its power controller, the right to Ceph, its guard. Nothing is switched. Exit with 1 if the primary could not fence a node, or nobody else the primary.',
    )
    .argument('[node]', 'name of the node')
    .addOption(formatOption('pretty', 'json', 'json-pretty'))
    .action(async (name: string | undefined, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const names = name === undefined ? (await api.call('nodeList', {})).map((each) => each.name) : [name]
      const tests: FenceTest[] = await Promise.all(names.map((each) => api.call('nodeRunFenceTest', { node: each })))
      session.show(options.format, tests, { pretty: () => formatFenceTests(tests, session.palette) })
      const unready = tests.filter(({ grade }) => grade === 'unready').map((each) => each.node)
      if (unready.length === 0) return
      const who = unready.map((each) => `"${each}"`).join(', ')
      throw new CommandFailure(`Node ${who} could not be fenced now.`, EXIT.failed)
    })
}
