/** Somebody who types on the console of a guest, in a story. */
import { join } from 'node:path'
import { clientEnv } from './daemons.ts'
import type { Lab } from './lab.ts'
import { repoDir } from './plan.ts'
import { expectThat } from './story.ts'

/** The end of a text that may be long, for messages. */
export const tail = (text: string): string => text.slice(-800)

/** Waits in a shell until the file holds `text`, 30 s at most. */
export const untilShown = (file: string, text: string): string =>
  `for i in $(seq 300); do grep -q '${text}' ${file} && break; sleep 0.1; done`

/** What the terminal shows when `pvc` has ended. The file also holds the command, with no number. */
export const ENDED = 'ended with [0-9]'

export type Typing = {
  readonly vm: string
  /** Name of the file with what the terminal shows. */
  readonly name: string
  /** A shell script that prints the keys; it is given the file. */
  readonly keys: (seen: string) => string
  /** Command that runs `pvc`. */
  readonly wrapper?: string
}

/**
 * Runs `pvc vm console` on a pseudo terminal until both it and `keys` have ended.
 * @returns what the terminal showed, with `ended with STATUS`
 * @throws Error when the terminal is not as it was before
 */
export async function typeOnConsole(lab: Lab, { vm, name, keys, wrapper = '' }: Typing): Promise<string> {
  const seen = lab.sharedFile(name, '')
  const command = `${wrapper} ${process.execPath} ${join(repoDir, 'dist/cli/pvc.cjs')} vm console ${vm}`
  const inner = `${command}; echo "ended with $?"; stty -a`
  const script = `keys() { ${keys(seen)}; }; keys | script -qfc '${inner}' ${seen}`
  const env = { ...clientEnv(lab.instance), TERM: 'dumb' }
  const { stdout } = await lab.sh(['bash', '-c', script], { timeoutMs: 90_000, env })
  const isAsBefore = /\sisig icanon\s/.test(stdout) && /\secho\s/.test(stdout)
  expectThat(isAsBefore, `the terminal was left raw: ${tail(stdout)}`)
  return stdout
}
