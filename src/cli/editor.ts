import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CommandFailure } from './failure.ts'
import { paintDiff, unifiedDiff } from './output/diff.ts'
import type { Session } from './session.ts'

/** A text being edited in a file of its own. */
export type Draft = {
  readonly text: string
  readonly file: string
  /** Removes the file. A draft that could not be used is kept instead, so that no work is lost. */
  discard(): Promise<void>
}

/** Lets the person at the terminal edit a text with VISUAL, EDITOR or vi. @throws CommandFailure when the editor fails. */
export async function editText(session: Session, text: string, fileName: string): Promise<Draft> {
  const { host } = session
  if (!host.canAsk) throw new CommandFailure('The editor needs a terminal: give the new text as a file instead.')
  const directory = await mkdtemp(join(host.env['TMPDIR'] || '/tmp', 'pvc-edit-'))
  const file = join(directory, fileName)
  const discard = () => rm(dirname(file), { recursive: true, force: true })
  const command = host.env['VISUAL'] || host.env['EDITOR'] || 'vi'
  try {
    await writeFile(file, `${text}\n`, { mode: 0o600 })
    const code = await host.runEditor(command, file)
    if (code !== 0) throw new CommandFailure(`The editor "${command}" ended with code ${code}: nothing was changed.`)
    return { text: await readFile(file, 'utf8'), file, discard }
  } catch (error) {
    await discard()
    throw error
  }
}

/**
 * Shows how a text would change, and lets `write` ask and write when there is a difference at all. The draft it came from is
 * removed afterwards, but kept when `write` failed or was refused.
 */
export async function proposeChange(
  session: Session,
  texts: { readonly current: string; readonly wanted: string },
  draft: Draft | undefined,
  write: () => Promise<void>,
): Promise<void> {
  try {
    const difference = unifiedDiff(texts.current, texts.wanted)
    if (difference.length === 0) session.print('Aborting with no modifications.')
    else {
      session.print(`Pending modifications:\n\n${paintDiff(difference, session.palette)}\n`)
      await write()
    }
  } catch (error) {
    if (draft !== undefined) session.note(`Your text is kept in ${draft.file}.`)
    throw error
  }
  await draft?.discard()
}
