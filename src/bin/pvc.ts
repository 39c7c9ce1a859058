import { createProcessHost } from '../cli/process-host.ts'
import { runPvc } from '../cli/run.ts'

// A reader that has seen enough (`pvc vm list | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const host = createProcessHost({
  // Replaced by the build with the version of the package.
  version: process.env['PVC_VERSION'] ?? 'development',
  parseYaml: async (text) => (await import('yaml')).parse(text) as unknown,
})

runPvc(process.argv.slice(2), host).then(
  // What was printed is flushed first; connections that still wait for an answer nobody needs do not hold the process.
  (code) => process.stdout.write('', () => process.exit(code)),
  (error: unknown) => {
    process.stderr.write(`pvc failed on a bug of its own: ${error instanceof Error ? error.stack : String(error)}\n`)
    process.exit(1)
  },
)
