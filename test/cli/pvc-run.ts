/** Runs the whole program in this process, on a host of its own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Clock } from '../../src/base/clock.ts'
import type { Host, RawTerminal, TextOutput } from '../../src/cli/host.ts'
import { runPvc } from '../../src/cli/run.ts'
import { type FakeApi, type Routes, startFakeApi } from './fake-api.ts'

/** A clock on which waiting takes no time: a timer fires in the next turn of the loop, and time jumps to it. */
export function createJumpingClock(): Clock {
  let nowMs = 0
  return {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer: (delayMs, fire) => {
      const handle = setImmediate(() => {
        nowMs += delayMs
        fire()
      })
      return { cancel: () => clearImmediate(handle) }
    },
  }
}

export const realClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

export type RunOptions = {
  readonly argv: readonly string[]
  readonly routes?: Routes
  /** Answers a person gives, in order; there is a terminal to ask on when this is given. */
  readonly answers?: readonly string[]
  /** True when output goes to a terminal. */
  readonly isTty?: boolean
  readonly env?: Readonly<Record<string, string>>
  /** Files by name, in the directory DIR of the run. */
  readonly files?: Readonly<Record<string, string>>
  readonly input?: string
  /** Given: a person who presses Ctrl-C by calling what is passed; the function returned ends that. */
  readonly interrupt?: (press: () => void) => () => void
  readonly terminal?: RawTerminal
  /** What a person makes of a text in the editor. */
  readonly edits?: (text: string) => string
  readonly clock?: Clock
  /** Does not save the connection `test` to the fake server and does not choose it. */
  readonly isBare?: boolean
  readonly hostname?: string
  /** Looks at the directory of the run before it is removed. */
  readonly whileThere?: (dir: string) => Promise<void>
}

export type RunResult = {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly requests: readonly string[]
  readonly headers: FakeApi['headers']
  /** Files of the run's directory after it, by name. */
  readonly readFile: (name: string) => Promise<string>
  readonly dir: string
}

function collector(isTty: boolean): TextOutput & { text(): string } {
  const parts: string[] = []
  return { write: (text) => void parts.push(text), isTty, columns: isTty ? 120 : 0, text: () => parts.join('') }
}

type Parts = { readonly stdout: TextOutput; readonly stderr: TextOutput; readonly env: Record<string, string> }

function createHost(options: RunOptions, { stdout, stderr, env }: Parts): Host {
  const answers = [...(options.answers ?? [])]
  return {
    env,
    stdout,
    stderr,
    canAsk: options.answers !== undefined,
    clock: options.clock ?? createJumpingClock(),
    hostname: options.hostname ?? 'hv1',
    version: '2.0.0',
    readInput: async () => options.input ?? '',
    ask: async (question) => {
      const answer = answers.shift()
      stderr.write(`${question}${answer ?? ''}\n`)
      return answer
    },
    onInterrupt: (act) => {
      const stop = options.interrupt?.(act)
      return () => stop?.()
    },
    takeTerminal: () => options.terminal ?? noTerminal,
    page: async (text) => stdout.write(`(pager)\n${text}`),
    runEditor: async (_command, file) => {
      await writeFile(file, (options.edits ?? ((text) => text))(await readFile(file, 'utf8')))
      return 0
    },
    parseYaml: async (text) => parse(text) as unknown,
  }
}

/** A terminal at which nobody sits. */
const noTerminal: RawTerminal = { onInput: () => undefined, write: (_, done) => done(), restore: () => undefined }

/** What differs from run to run is replaced: the port of the server, the directory. */
function masker(port: number, dir: string): (text: string) => string {
  return (text) =>
    text
      .replaceAll(`127.0.0.1:${port}`, '127.0.0.1:PORT')
      .replaceAll(String(port), 'PORT')
      .replaceAll(dir, 'DIR')
      .replaceAll(/[^\s"]*\/pvc-edit-\w+/g, 'EDIT')
}

/** Runs `pvc` with `argv`, in which DIR and PORT are replaced, against a fake server with `routes`. */
export async function runCli(options: RunOptions): Promise<RunResult> {
  const dir = await mkdtemp(join(tmpdir(), 'pvc-cli-test-'))
  const api = await startFakeApi(options.routes ?? {})
  try {
    const place = (text: string) => text.replaceAll('DIR', dir).replaceAll('PORT', String(api.port))
    const stdout = collector(options.isTty ?? false)
    const stderr = collector(options.isTty ?? false)
    const env: Record<string, string> = { PVC_CLIENT_DIR: dir, PVC_CONFIG_FILE: join(dir, 'pvc.yaml'), TMPDIR: dir }
    for (const [name, value] of Object.entries(options.env ?? {})) env[name] = place(value)
    for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), place(text))
    if (!options.isBare) {
      env['PVC_CONNECTION'] ??= 'test'
      const connection = { description: 'Test', host: '127.0.0.1', port: api.port, scheme: 'http', api_key: 'secret' }
      await writeFile(join(dir, 'pvc.json'), JSON.stringify({ test: connection }))
    }
    const exitCode = await runPvc(options.argv.map(place), createHost(options, { stdout, stderr, env }))
    await options.whileThere?.(dir)
    const mask = masker(api.port, dir)
    const files = new Map<string, string>()
    for (const name of ['pvc.json', ...Object.keys(options.files ?? {}), 'out.xml']) {
      const text = await readFile(join(dir, name), 'utf8').catch(() => undefined)
      if (text !== undefined) files.set(name, mask(text))
    }
    return {
      exitCode,
      stdout: mask(stdout.text()),
      stderr: mask(stderr.text()),
      requests: api.requests.map(mask),
      headers: [...api.headers],
      readFile: async (name) => files.get(name) ?? '',
      dir,
    }
  } finally {
    await api.close()
    await rm(dir, { recursive: true, force: true })
  }
}
