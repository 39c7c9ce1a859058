import type { Profile, UserData } from '../../contract/provisioner.ts'
import type { Palette } from './colour.ts'
import { formatTable, type Section } from './table.ts'

/** Lines of a document that a short list shows. */
const FIRST_LINES = 4

/** `pvc provisioner userdata list`; `isLong`: whole documents. */
export function formatUserDataList(documents: readonly UserData[], isLong: boolean, palette: Palette): string {
  if (documents.length === 0) return 'No user data documents found.'
  return documents
    .map(({ name, userdata }) => {
      const lines = userdata.trimEnd().split('\n')
      const shown = isLong ? lines : lines.slice(0, FIRST_LINES)
      const rest = lines.length - shown.length
      const more = rest > 0 ? [`  … (${rest} more)`] : []
      return [palette.bold(name), ...shown.map((line) => `  ${line}`), ...more].join('\n')
    })
    .join('\n\n')
}

const PROFILE_SECTIONS: readonly Section<Profile>[] = [
  {
    title: 'Profiles',
    columns: [
      { title: 'Name', cell: ({ name }) => name },
      { title: 'Type', cell: ({ type }) => type },
      { title: 'User data', cell: ({ userdata }) => userdata },
    ],
  },
]

/** `pvc provisioner profile list`. */
export function formatProfileList(profiles: readonly Profile[], palette: Palette): string {
  return profiles.length === 0 ? 'No profiles found.' : formatTable(PROFILE_SECTIONS, profiles, palette)
}
