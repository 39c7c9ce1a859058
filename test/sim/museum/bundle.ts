/** Builds the simulator into one file, with the product's source as it is or with a planted bug. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { build } from 'esbuild'

/** A change of one source file: `from` must stand in it exactly once, so that a mutation never silently misses. */
export type Patch = { readonly file: string; readonly from: string; readonly to: string }

const repo = join(import.meta.dirname, '../../..')

/** @returns the path of the program. @throws Error when a patch does not fit the source any more */
export async function bundleSimulator(name: string, patches: readonly Patch[]): Promise<string> {
  const outfile = join(repo, '.cache/sim', `${name}.mjs`)
  mkdirSync(join(repo, '.cache/sim'), { recursive: true })
  const unused = new Set(patches)
  await build({
    entryPoints: [join(repo, 'test/sim/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    // The native client is never loaded here.
    external: ['zookeeper'],
    plugins: [
      {
        name: 'planted-bug',
        setup(plugin) {
          plugin.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
            const wanted = patches.filter(({ file }) => file === relative(repo, path))
            if (wanted.length === 0) return undefined
            let contents = readFileSync(path, 'utf8')
            for (const patch of wanted) {
              const parts = contents.split(patch.from)
              if (parts.length !== 2)
                throw new Error(`${patch.file}: ${parts.length - 1} places say "${patch.from}": mend mutation ${name}`)
              contents = parts.join(patch.to)
              unused.delete(patch)
            }
            return { contents, loader: 'ts' }
          })
        },
      },
    ],
  })
  const missed = [...unused].map(({ file }) => file)
  if (missed.length > 0) throw new Error(`mutation ${name}: the simulator does not use ${missed.join(', ')}`)
  return outfile
}
