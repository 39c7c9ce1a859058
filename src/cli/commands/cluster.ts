import type { Command } from 'commander'
import { formatClusterStatus } from '../output/cluster-view.ts'
import { addGroup, formatOption, type OpenSession } from './options.ts'

/** `pvc cluster …`. */
export function addClusterCommands(program: Command, open: OpenSession): void {
  const cluster = addGroup(
    program,
    'cluster',
    'Manage PVC clusters.',
    'Manage and view the state of a PVC cluster as a whole.',
  )
  addStatus(cluster, open)
  const maintenance = addGroup(
    cluster,
    'maintenance',
    'Turn maintenance on or off.',
    'Turn maintenance on or off. While it is on, no node is fenced and no VM is recovered.',
  )
  addMaintenance(maintenance, open, 'on', 'true')
  addMaintenance(maintenance, open, 'off', 'false')
}

function addStatus(cluster: Command, open: OpenSession): void {
  cluster
    .command('status')
    .summary('Show the state of the cluster.')
    .description('Show the health and the resources of the cluster.')
    .addOption(formatOption('pretty', 'short', 'json', 'json-pretty'))
    .action(async (options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const status = await api.call('status', {})
      session.show(options.format, status, {
        pretty: () => formatClusterStatus(status, false, session.palette),
        short: () => formatClusterStatus(status, true, session.palette),
      })
    })
}

function addMaintenance(maintenance: Command, open: OpenSession, word: string, state: string): void {
  const command = maintenance
    .command(word)
    .summary(`Turn maintenance ${word}.`)
    .description(`Turn the maintenance mode of the cluster ${word}.`)
  if (state === 'true')
    command
      .option('--reason <text>', 'Why; shown with the status.')
      .option('--for <time>', 'Turn it off by itself after this time, such as 30m, 2h or 1d.')
  command.action(async (options: { readonly reason?: string; readonly for?: string }) => {
    const session = open()
    const api = await session.connect()
    const { message } = await api.call('setMaintenance', { state, reason: options.reason, for: options.for })
    session.print(message)
  })
}
