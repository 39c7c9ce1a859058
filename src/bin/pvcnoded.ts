#!/usr/bin/env node
/** pvcnoded: command line. The daemon itself is loaded only when it is to run. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { type LoadedConfig, readConfigFile } from '../adapters/config/config-file.ts'
import { errorChain } from '../model/errors.ts'

const USAGE = `usage: pvcnoded [--config FILE] [--check | --version | --help]
  --config FILE  configuration (default /etc/pvc/pvc.yaml)
  --check        print what was understood, or every error with its place, and exit 0 or 1
  --version      print the version and exit`

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function readArguments() {
  try {
    const options = {
      config: { type: 'string', default: '/etc/pvc/pvc.yaml' },
      check: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    } as const
    return parseArgs({ options, strict: true }).values
  } catch (error) {
    console.error(`pvcnoded: ${errorChain(error)}\n${USAGE}`)
    return process.exit(2)
  }
}

/** Prints the configuration; a cluster key that cannot be used is said beside it, because the daemon runs without, as a fault. */
async function check(config: LoadedConfig): Promise<void> {
  const { clusterKeyOrProblem } = await import('./cluster-link.ts')
  const key = await clusterKeyOrProblem(config.cluster.keyFile)
  if (typeof key === 'string') console.error(`warning: ${key}`)
  console.log(stringify(config, { aliasDuplicateObjects: false }).trimEnd())
}

async function main(): Promise<void> {
  const args = readArguments()
  if (args.help) return console.log(USAGE)
  if (args.version) return console.log(version())
  const config = await readConfigFile(args.config, hostname())
  if (args.check) return check(config)
  const { runNodeDaemon } = await import('./node-daemon.ts')
  await runNodeDaemon(config, version())
}

main().catch((error: unknown) => {
  console.error(`pvcnoded: ${errorChain(error)}`)
  process.exit(1)
})
