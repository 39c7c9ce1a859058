#!/usr/bin/env node
// Adds to package-lock.json the optional libraries for other platforms that npm left out because its registry did not
// have them. npm ci refuses a lock without them, although it would never install them here. Run it after npm install.
// They carry no checksum, so only platforms we do not run on may be completed this way; anything else is an error.
import { readFileSync, writeFileSync } from 'node:fs'

const file = 'package-lock.json'
const lock = JSON.parse(readFileSync(file, 'utf8'))

/** Platform fields of a package named like @scope/name-OS-CPU[-LIBC]. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-')
  const os = words.find((word) => ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'win32'].includes(word))
  const cpu = words.find((word) => ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'].includes(word))
  if (os === undefined || cpu === undefined) throw new Error(`${name} names no platform`)
  return { os: [os], cpu: [cpu], ...(words.includes('musl') ? { libc: ['musl'] } : {}) }
}

function runsHere({ os, cpu, libc }) {
  return os.includes('linux') && ['x64', 'arm64'].includes(cpu[0]) && libc === undefined
}

let added = 0
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`
    if (lock.packages[place] !== undefined || lock.packages[`${path}/${place}`] !== undefined) continue
    const platform = platformOf(name)
    if (runsHere(platform)) throw new Error(`${name}@${version} is needed on Linux and has no checksum: lock it where the registry has it`)
    lock.packages[place] = { version, ...(entry.dev ? { dev: true } : {}), optional: true, ...platform }
    added++
  }
}

if (added > 0) {
  const [root, ...others] = Object.entries(lock.packages)
  others.sort(([a], [b]) => (a < b ? -1 : 1))
  lock.packages = Object.fromEntries([root, ...others])
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(`${added} entries added to ${file}`)
