#!/usr/bin/env node
// Builds dist/: daemons as plain modules (stack traces match the source), the pvc command as one file for laptops.
// Does nothing when dist/ is of these sources. `--force` builds anyway.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

process.chdir(join(import.meta.dirname, '..'))
const stamp = 'dist/.pvc-built'

function filesBelow(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function sourceKey() {
  const hash = createHash('sha256')
  for (const file of [...filesBelow('src'), 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'scripts/build.mjs']) {
    hash.update(`${file}\0`).update(readFileSync(file))
  }
  return hash.digest('hex')
}

function compileDaemons() {
  // A module whose source is gone must not stay importable.
  for (const file of existsSync('dist') ? filesBelow('dist') : []) {
    const source = file.replace(/^dist/, 'src').replace(/\.js(\.map)?$/, '.ts')
    if (/\.js(\.map)?$/.test(file) && !existsSync(source)) rmSync(file)
  }
  execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit', timeout: 120_000 })
}

/** The licence texts of the bundled libraries, which ask to travel with copies, as a comment. */
function licences(inputs) {
  const folders = new Set(inputs.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []))
  const texts = [...folders].sort().map((folder) => {
    const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
    if (file === undefined) throw new Error(`${folder} is bundled and has no licence file`)
    return `${folder.replace(/^.*node_modules\//, '')}\n\n${readFileSync(join(folder, file), 'utf8').trim()}`
  })
  return `/*\nThis file contains:\n\n${texts.join('\n\n----\n\n').replaceAll('*/', '* /')}\n*/\n`
}

async function bundleCommand() {
  if (!existsSync('src/bin/pvc.ts')) return
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  mkdirSync('dist/cli', { recursive: true })
  const { metafile } = await build({
    entryPoints: ['src/bin/pvc.ts'],
    outfile: 'dist/cli/pvc.cjs',
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    legalComments: 'none',
    metafile: true,
    define: { 'process.env.PVC_VERSION': JSON.stringify(version), 'import.meta.url': 'undefined' },
    banner: readFileSync('src/bin/pvc.ts', 'utf8').startsWith('#!') ? {} : { js: '#!/usr/bin/env node' },
    // A laptop has neither native module: fail here rather than there.
    plugins: [
      {
        name: 'no-native',
        setup(setup) {
          setup.onResolve({ filter: /\.node$|^bindings$|^zookeeper$|native\/libvirt/ }, ({ path, importer }) => ({
            errors: [{ text: `the pvc command must not need ${path} (imported by ${importer})` }],
          }))
        },
      },
    ],
    logLevel: 'warning',
    logOverride: { 'empty-import-meta': 'silent' },
  })
  appendFileSync('dist/cli/pvc.cjs', licences(Object.keys(metafile.inputs)))
  chmodSync('dist/cli/pvc.cjs', 0o755)
}

const key = sourceKey()
const isFresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === key
if (!isFresh || process.argv.includes('--force')) {
  rmSync(stamp, { force: true })
  compileDaemons()
  await bundleCommand()
  // Sources that changed meanwhile make the stamp stale, not the build wrong.
  writeFileSync(stamp, key)
}
