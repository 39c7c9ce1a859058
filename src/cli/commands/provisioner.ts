import { type Command, Option } from 'commander'
import type { ApiClient } from '../client.ts'
import { editText, proposeChange } from '../editor.ts'
import { usageFailure } from '../failure.ts'
import { formatProfileList, formatUserDataList } from '../output/provisioner-view.ts'
import type { Session } from '../session.ts'
import { readTextFile } from '../text-file.ts'
import { single } from '../vm-fetch.ts'
import { addGroup, formatOption, type OpenSession, yesOption } from './options.ts'

/** `pvc provisioner …`. */
export function addProvisionerCommands(program: Command, open: OpenSession): void {
  const provisioner = addGroup(program, 'provisioner', 'Manage what guests are given at their first start.')
  const userData = addGroup(provisioner, 'userdata', 'Manage user data documents, which cloud-init in guests reads.')
  addUserDataChanges(userData, open)
  addUserDataViews(userData, open)
  const profile = addGroup(provisioner, 'profile', 'Manage profiles, which give their VMs user data.')
  addProfileChanges(profile, open)
  addProfileList(profile, open)
}

const FILE = 'file with the text; - for standard input'

function addUserDataChanges(userData: Command, open: OpenSession): void {
  userData
    .command('add')
    .summary('Add a user data document.')
    .description('Add the user data document NAME with the text of FILE.')
    .argument('<name>', 'name of the document')
    .argument('<file>', FILE)
    .action(async (name: string, file: string) => {
      const session = open()
      const data = await readTextFile(session.host, file)
      const api = await session.connect()
      session.print((await api.call('userDataAdd', { name, data })).message)
    })
  addUserDataModify(userData, open)
  userData
    .command('remove')
    .summary('Remove a user data document.')
    .description('Remove the user data document NAME, which no profile may name any more.')
    .argument('<name>', 'name of the document')
    .addOption(yesOption())
    .action(async (name: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove user data document ${name}`, options.yes)
      session.print((await api.call('userDataRemove', { userdata: name })).message)
    })
}

type ModifyOptions = { readonly editor: boolean; readonly yes: boolean }

function addUserDataModify(userData: Command, open: OpenSession): void {
  userData
    .command('modify')
    .summary('Change a user data document.')
    .description(
      'Replace the text of the user data document NAME by that of FILE, or change it in an editor; then the difference is shown and must be confirmed. Guests that start for the first time read it.',
    )
    .argument('<name>', 'name of the document')
    .argument('[file]', FILE)
    .option('-e, --editor', 'Change the present text in VISUAL, EDITOR or vi.', false)
    .addOption(yesOption())
    .action(async (name: string, file: string | undefined, options: ModifyOptions) => {
      if (options.editor === (file !== undefined))
        throw usageFailure('Either a file or the "--editor" option must be specified.')
      const session = open()
      const data = file === undefined ? undefined : await readTextFile(session.host, file)
      const api = await session.connect()
      if (data === undefined) return await editUserData(session, api, name, options.yes)
      session.print((await api.call('userDataModify', { userdata: name, data })).message)
    })
}

async function editUserData(session: Session, api: ApiClient, name: string, isConfirmed: boolean): Promise<void> {
  const { userdata } = single(await api.call('userDataInfo', { userdata: name }), 'User data')
  const current = withoutLastBreak(userdata)
  const draft = await editText(session, current, name)
  await proposeChange(session, { current, wanted: withoutLastBreak(draft.text) }, draft, async () => {
    await session.confirm('Write modifications to cluster', isConfirmed)
    session.print((await api.call('userDataModify', { userdata: name, data: draft.text })).message)
  })
}

function withoutLastBreak(text: string): string {
  return text.replace(/\n$/, '')
}

function addUserDataViews(userData: Command, open: OpenSession): void {
  userData
    .command('show')
    .summary('Print a user data document.')
    .description('Print the text of the user data document NAME.')
    .argument('<name>', 'name of the document')
    .action(async (name: string) => {
      const session = open()
      const api = await session.connect()
      const { userdata } = single(await api.call('userDataInfo', { userdata: name }), 'User data')
      session.print(withoutLastBreak(userdata))
    })
  userData
    .command('list')
    .summary('List user data documents.')
    .description('List user data documents, or those whose name matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .option('-l, --long', 'Whole documents, not their first lines only.', false)
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: { readonly long: boolean; readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const documents = await api.call('userDataList', { limit })
      session.show(options.format, documents, {
        pretty: () => formatUserDataList(documents, options.long, session.palette),
        raw: () => documents.map(({ name }) => name).join('\n'),
      })
    })
}

function addProfileChanges(profile: Command, open: OpenSession): void {
  profile
    .command('add')
    .summary('Add a profile.')
    .description('Add the profile NAME. VMs get it by `pvc vm meta --profile NAME`, and guests of these its user data.')
    .argument('<name>', 'name of the profile')
    .addOption(
      new Option('-p, --profile-type <type>', 'Type of the profile.')
        .choices(['provisioner', 'ova'])
        .default('provisioner'),
    )
    .option('-u, --user-data <document>', 'User data document that its guests are given.')
    .action(async (name: string, options: { readonly profileType: string; readonly userData?: string }) => {
      const session = open()
      const api = await session.connect()
      const words = { name, profile_type: options.profileType, userdata: options.userData }
      session.print((await api.call('profileAdd', words)).message)
    })
  profile
    .command('modify')
    .summary('Change a profile.')
    .description('Change the profile NAME.')
    .argument('<name>', 'name of the profile')
    .requiredOption('-u, --user-data <document>', 'User data document that its guests are given; empty for none.')
    .action(async (name: string, options: { readonly userData: string }) => {
      const session = open()
      const api = await session.connect()
      session.print((await api.call('profileModify', { profile: name, userdata: options.userData })).message)
    })
  profile
    .command('remove')
    .summary('Remove a profile.')
    .description('Remove the profile NAME. Its VMs stay, and are given nothing by it any more.')
    .argument('<name>', 'name of the profile')
    .addOption(yesOption())
    .action(async (name: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove profile ${name}`, options.yes)
      session.print((await api.call('profileRemove', { profile: name })).message)
    })
}

function addProfileList(profile: Command, open: OpenSession): void {
  profile
    .command('list')
    .summary('List profiles.')
    .description('List profiles, or those whose name matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const profiles = await api.call('profileList', { limit })
      session.show(options.format, profiles, {
        pretty: () => formatProfileList(profiles, session.palette),
        raw: () => profiles.map(({ name }) => name).join('\n'),
      })
    })
}
