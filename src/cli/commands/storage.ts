import { type Command, Option } from 'commander'
import { formatPoolList, formatVolumeList } from '../output/storage-view.ts'
import { addGroup, formatOption, integerParser, type OpenSession, yesOption } from './options.ts'

/** `pvc storage …`. */
export function addStorageCommands(program: Command, open: OpenSession): void {
  const storage = addGroup(
    program,
    'storage',
    'Manage PVC storage.',
    'Manage and view the Ceph storage of a PVC cluster.',
  )
  const pool = addGroup(storage, 'pool', 'Manage Ceph pools for VM volumes.')
  addPoolAdd(pool, open)
  addPoolList(pool, open)
  const volume = addGroup(storage, 'volume', 'Manage the RBD volumes of VMs.')
  addVolumeAdd(volume, open)
  addVolumeRemove(volume, open)
  addVolumeResize(volume, open)
  addVolumeList(volume, open)
}

function addPoolAdd(pool: Command, open: OpenSession): void {
  pool
    .command('add')
    .summary('Add a pool.')
    .description('Add the Ceph pool NAME with PGS placement groups (a power of two).')
    .argument('<name>', 'name of the pool')
    .argument('<pgs>', 'number of placement groups', integerParser(1, 65_536))
    .addOption(
      new Option('-t, --tier <tier>', 'Device class of the OSDs to use.')
        .choices(['default', 'hdd', 'ssd', 'nvme'])
        .default('default'),
    )
    .option('--replcfg <copies>', 'Number of copies, and how many must be there to serve.', 'copies=3,mincopies=2')
    .action(async (name: string, pgs: number, options: { readonly tier: string; readonly replcfg: string }) => {
      const session = open()
      const api = await session.connect()
      const { message } = await api.call('poolAdd', { pool: name, pgs, replcfg: options.replcfg, tier: options.tier })
      session.print(message)
    })
}

function addPoolList(pool: Command, open: OpenSession): void {
  pool
    .command('list')
    .summary('List all pools.')
    .description('List all pools, or those whose name matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const pools = await api.call('poolList', { limit })
      session.show(options.format, pools, {
        pretty: () => formatPoolList(pools, session.palette),
        raw: () => pools.map((each) => each.name).join('\n'),
      })
    })
}

function addVolumeAdd(volume: Command, open: OpenSession): void {
  volume
    .command('add')
    .summary('Add a volume.')
    .description('Add the volume NAME of SIZE (such as 10G, 512M or a number of bytes) to POOL.')
    .argument('<pool>', 'name of the pool')
    .argument('<name>', 'name of the volume')
    .argument('<size>', 'size')
    .option('-f, --force', 'Add it even if the pool would become more than 80 % full.', false)
    .action(async (pool: string, name: string, size: string, options: { readonly force: boolean }) => {
      const session = open()
      const api = await session.connect()
      const { message } = await api.call('volumeAdd', { volume: name, pool, size, force: options.force })
      session.print(message)
    })
}

function addVolumeRemove(volume: Command, open: OpenSession): void {
  volume
    .command('remove')
    .summary('Remove a volume.')
    .description('Remove the volume NAME from POOL. What was on it is lost.')
    .argument('<pool>', 'name of the pool')
    .argument('<volume>', 'name of the volume')
    .addOption(yesOption())
    .action(async (pool: string, name: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove volume "${name}" from pool "${pool}"`, options.yes)
      const { message } = await api.call('volumeRemove', { pool, volume: name })
      session.print(message)
    })
}

function addVolumeResize(volume: Command, open: OpenSession): void {
  volume
    .command('resize')
    .summary('Resize a volume.')
    .description('Give the volume NAME in POOL a new SIZE. Making it smaller destroys what lies beyond.')
    .argument('<pool>', 'name of the pool')
    .argument('<volume>', 'name of the volume')
    .argument('<size>', 'new size')
    .option('-f, --force', 'Resize it even if the pool would become more than 80 % full.', false)
    .addOption(yesOption())
    .action(
      async (pool: string, name: string, size: string, options: { readonly force: boolean; readonly yes: boolean }) => {
        const session = open()
        const api = await session.connect()
        await session.confirm(`Resize volume "${name}" in pool "${pool}" to size ${size}`, options.yes)
        const { message } = await api.call('volumeResize', {
          pool,
          volume: name,
          new_size: size,
          force: options.force,
        })
        session.print(message)
      },
    )
}

function addVolumeList(volume: Command, open: OpenSession): void {
  volume
    .command('list')
    .summary('List all volumes.')
    .description('List all volumes, or those whose name matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .option('-p, --pool <pool>', 'Only volumes of this pool.')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: { readonly pool?: string; readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const volumes = await api.call('volumeList', { limit, pool: options.pool })
      session.show(options.format, volumes, {
        pretty: () => formatVolumeList(volumes, session.palette),
        raw: () => volumes.map((each) => each.name).join('\n'),
      })
    })
}
