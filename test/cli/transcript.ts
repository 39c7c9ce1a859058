/**
 * Golden transcripts: what a person sees of a run, and what the server saw of it, compared byte for byte with a file.
 * UPDATE_GOLDEN=1 writes the files; without it a missing file is a failure.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { type RunOptions, runCli } from './pvc-run.ts'

const goldenDir = join(import.meta.dirname, 'golden')

export type Scene = RunOptions & { readonly title: string }

function quoteWord(word: string): string {
  return /^[\w./:=,^$*-]+$/.test(word) ? word : `'${word}'`
}

/** Escapes are shown as text, or nobody could review them. */
function visible(text: string): string {
  return text.replaceAll('\x1b', '\\e').replaceAll('\r', '\\r')
}

async function playScene(scene: Scene): Promise<string> {
  const result = await runCli(scene)
  const blocks: [string, string][] = [
    ['requests', result.requests.map((request) => `${request}\n`).join('')],
    ['stdout', visible(result.stdout)],
    ['stderr', visible(result.stderr)],
  ]
  const shown = blocks.filter(([, text]) => text !== '').map(([name, text]) => `--- ${name}\n${text}`)
  const env = Object.entries(scene.env ?? {}).map(([name, value]) => `${name}=${quoteWord(value)} `)
  return [
    `# ${scene.title}\n$ ${env.join('')}pvc ${scene.argv.map(quoteWord).join(' ')}\n`,
    ...shown,
    `--- exit ${result.exitCode}\n`,
  ].join('')
}

/** A test that plays scenes one after the other and compares them with `golden/<name>.txt`. */
export function transcript(name: string, scenes: readonly Scene[]): void {
  it(`tells ${name} as it is written down`, async () => {
    const parts: string[] = []
    for (const scene of scenes) parts.push(await playScene(scene))
    const actual = parts.join('\n')
    const file = join(goldenDir, `${name}.txt`)
    if (process.env['UPDATE_GOLDEN'] === '1') {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, actual)
      return
    }
    const expected = await readFile(file, 'utf8').catch(() => undefined)
    if (expected === undefined) throw new Error(`golden/${name}.txt is missing: record it with UPDATE_GOLDEN=1`)
    expect(actual).toBe(expected)
  })
}
