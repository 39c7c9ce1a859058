import { spawn } from 'node:child_process'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import type { Clock } from '../base/clock.ts'
import type { Host, RawTerminal, TextOutput } from './host.ts'

/** Time of this process: monotonic from an arbitrary start. */
const processClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  return {
    write: (text) => {
      stream.write(text)
    },
    isTty: stream.isTTY === true,
    columns: stream.columns ?? 0,
  }
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString('utf8')
}

function askOn(input: NodeJS.ReadStream, output: NodeJS.WriteStream, question: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input, output })
    let answer: string | undefined
    lines.once('close', () => resolve(answer))
    lines.once('SIGINT', () => {
      output.write('\n')
      lines.close()
    })
    lines.question(question, (text) => {
      answer = text
      lines.close()
    })
  })
}

function runEditor(command: string, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    // EDITOR may hold arguments ("code --wait"), so a shell splits it; the file is an argument of its own, not shell text.
    const child = spawn('/bin/sh', ['-c', `${command} "$1"`, 'editor', file], { stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/** PAGER, else less, which passes colours on and ends by itself when the text fits on the screen. */
function page(text: string): Promise<void> {
  return new Promise((resolve) => {
    const env = { LESS: 'FRX', ...process.env }
    const child = spawn('/bin/sh', ['-c', process.env['PAGER'] || 'less'], {
      stdio: ['pipe', 'inherit', 'inherit'],
      env,
    })
    const ignoreInterrupt = () => undefined
    // Ctrl-C is for the pager.
    process.on('SIGINT', ignoreInterrupt)
    child.stdin.on('error', () => undefined)
    child.once('error', () => process.stdout.write(text))
    child.once('close', (code) => {
      process.removeListener('SIGINT', ignoreInterrupt)
      if (code === NOT_FOUND) process.stdout.write(text)
      resolve()
    })
    child.stdin.end(text)
  })
}

/** What a shell answers when there is no such program. */
const NOT_FOUND = 127

function onInterrupt(act: () => void): () => void {
  process.once('SIGINT', act)
  return () => process.removeListener('SIGINT', act)
}

/** Signals that end the program; by themselves they would leave the terminal without echo. */
const ENDS = { SIGTERM: 15, SIGHUP: 1, SIGINT: 2, SIGQUIT: 3 } as const

function takeTerminal(): RawTerminal {
  const { stdin, stdout } = process
  const stops: (() => void)[] = []
  const restore = () => {
    for (const stop of stops.splice(0)) stop()
  }
  if (stdin.isTTY) {
    stdin.setRawMode(true)
    stops.push(() => stdin.setRawMode(false))
  }
  for (const [name, number] of Object.entries(ENDS)) {
    const end = () => process.exit(128 + number)
    process.on(name, end)
    stops.push(() => process.removeListener(name, end))
  }
  process.once('exit', restore)
  stops.push(
    () => process.removeListener('exit', restore),
    () => stdin.pause(),
  )
  return {
    onInput: (take) => {
      stdin.on('data', take)
      const end = () => take(undefined)
      stdin.once('end', end)
      stops.push(() => stdin.removeListener('data', take).removeListener('end', end))
    },
    write: (bytes, done) => void stdout.write(bytes, () => done()),
    restore,
  }
}

/** The machine this process runs on. `version` and `parseYaml` come from the composition root. */
export function createProcessHost(parts: Pick<Host, 'version' | 'parseYaml'>): Host {
  return {
    ...parts,
    env: process.env,
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    canAsk: process.stdin.isTTY === true && process.stderr.isTTY === true,
    clock: processClock,
    hostname: hostname().split('.')[0] ?? '',
    readInput: () => readAll(process.stdin),
    ask: (question) => askOn(process.stdin, process.stderr, question),
    onInterrupt,
    takeTerminal,
    page,
    runEditor,
  }
}
