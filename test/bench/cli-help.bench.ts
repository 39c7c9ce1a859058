/** How long `pvc --help` takes, the command a person waits for most often, beside the bare start of Node. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { percentile, type Report } from './figure.ts'

const runs = 25
const command = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'pvc.cjs')

function timeMs(argv: readonly string[]): number {
  const begun = performance.now()
  execFileSync(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 20_000 })
  return performance.now() - begun
}

/** Reports the median of `pvc --help`, the median of an empty Node program measured in turn with it, and their ratio. */
export async function run(report: Report): Promise<void> {
  const help: number[] = []
  const bare: number[] = []
  timeMs([command, '--help']) // fills the page cache
  for (let index = 0; index < runs; index++) {
    help.push(timeMs([command, '--help']))
    bare.push(timeMs(['-e', '0']))
  }
  const params = { node: process.version, command: 'pvc --help' }
  const bareParams = { node: process.version, command: 'node -e 0' }
  report({ metric: 'ms', value: percentile(help, 50), unit: 'ms', params, n: runs })
  report({ metric: 'ms_p99', value: percentile(help, 99), unit: 'ms', params, n: runs })
  report({ metric: 'baseline_ms', value: percentile(bare, 50), unit: 'ms', params: bareParams, n: runs })
  report({ metric: 'ratio', value: percentile(help, 50) / percentile(bare, 50), unit: '1', params, n: runs })
}
