/** User data documents, and the profiles that name them. */
import { hasCode, PvcError } from '../model/errors.ts'
import { type Profile, ProvisionerName, type UserData } from '../model/provisioner.ts'
import type { Dir, Key } from '../schema/key.ts'
import { tree } from '../schema/tree.ts'
import { readProfiles, readUserData } from '../view/provisioner.ts'
import { connectedSession, type OperationsDeps, seeOwnRemoval, seeOwnWrite } from './deps.ts'
import { editDocument } from './edit.ts'
import { argumentError } from './plan.ts'

/** @throws PVC_ARGUMENT_INVALID, PVC_OBJECT_EXISTS */
export async function addUserData(deps: OperationsDeps, name: string, data: string): Promise<UserData> {
  const id = nextId(readUserData(deps.index))
  return create(deps, tree.provisioner.userData, 'User data', { name: nameOf(name), generation: 1, id, data })
}

/** @throws PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT */
export async function modifyUserData(deps: OperationsDeps, name: string, data: string): Promise<void> {
  await editDocument(deps, keyOf(tree.provisioner.userData, name), `User data '${name}'`, (before) =>
    before.data === data ? before : { ...before, generation: before.generation + 1, data },
  )
}

/** @throws PVC_STATE_REFUSED while a profile names it, PVC_OBJECT_NOT_FOUND */
export async function removeUserData(deps: OperationsDeps, name: string): Promise<void> {
  const users = readProfiles(deps.index).filter(({ userData }) => userData === name)
  if (users.length > 0) {
    const names = users.map((profile) => profile.name).join(', ')
    throw new PvcError('PVC_STATE_REFUSED', `User data '${name}' is in use by the profile ${names}; change that first`)
  }
  await remove(deps, keyOf(tree.provisioner.userData, name), `User data '${name}'`)
}

/** What a client says of a profile; undefined leaves it as it is, an empty text clears it. */
export type ProfileChange = { readonly userData?: string | undefined }

/** @throws PVC_ARGUMENT_INVALID, PVC_OBJECT_EXISTS */
export async function addProfile(
  deps: OperationsDeps,
  name: string,
  type: Profile['type'],
  change: ProfileChange,
): Promise<Profile> {
  const blank: Profile = {
    name: nameOf(name),
    generation: 1,
    id: nextId(readProfiles(deps.index)),
    type,
    userData: null,
  }
  return create(deps, tree.provisioner.profiles, 'Profile', edited(deps, blank, change))
}

/** @throws PVC_ARGUMENT_INVALID, PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT */
export async function modifyProfile(deps: OperationsDeps, name: string, change: ProfileChange): Promise<void> {
  await editDocument(deps, keyOf(tree.provisioner.profiles, name), `Profile '${name}'`, (before) => ({
    ...edited(deps, before, change),
    generation: before.generation + 1,
  }))
}

/** VMs of the profile keep its name; their guests are given nothing by it any more. @throws PVC_OBJECT_NOT_FOUND */
export async function removeProfile(deps: OperationsDeps, name: string): Promise<void> {
  await remove(deps, keyOf(tree.provisioner.profiles, name), `Profile '${name}'`)
}

function edited(deps: OperationsDeps, profile: Profile, { userData }: ProfileChange): Profile {
  if (userData === undefined) return profile
  if (userData === '') return { ...profile, userData: null }
  const found = readUserData(deps.index).find(({ name }) => name === userData)
  if (found === undefined) throw argumentError('userdata', `must name a user data document; there is no '${userData}'`)
  return { ...profile, userData: found.name }
}

function nameOf(text: string): ProvisionerName {
  const name = ProvisionerName.safeParse(text)
  if (!name.success) throw argumentError('name', name.error.issues[0]?.message ?? 'is not a name')
  return name.data
}

/** A name that cannot be one is that of nothing. */
function keyOf<T>(dir: Dir<T>, name: string): Key<T> {
  if (!ProvisionerName.safeParse(name).success)
    throw new PvcError('PVC_OBJECT_NOT_FOUND', `There is nothing named '${name}'`)
  return dir.child(name)
}

function nextId(present: readonly { readonly id: number }[]): number {
  return Math.max(0, ...present.map(({ id }) => id)) + 1
}

async function create<T extends { readonly name: string }>(
  deps: OperationsDeps,
  dir: Dir<T>,
  what: string,
  value: T,
): Promise<T> {
  const key = dir.child(value.name)
  try {
    await connectedSession(deps).create(key, value)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_EXISTS'))
      throw new PvcError('PVC_OBJECT_EXISTS', `${what} '${value.name}' exists already`, { cause: error })
    throw error
  }
  await seeOwnWrite(deps, key, 0n)
  return value
}

async function remove<T>(deps: OperationsDeps, key: Key<T>, what: string): Promise<void> {
  try {
    await connectedSession(deps).remove(key.path)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_MISSING'))
      throw new PvcError('PVC_OBJECT_NOT_FOUND', `${what} does not exist`, { cause: error })
    throw error
  }
  await seeOwnRemoval(deps, key)
}
