/** Documents of the provisioner, as an index knows them. */
import { type Profile, ProvisionerName, type UserData } from '../model/provisioner.ts'
import { tree } from '../schema/tree.ts'
import type { Documents } from './networks.ts'

/** All user data documents, by name. */
export function readUserData(index: Documents): readonly UserData[] {
  const { userData } = tree.provisioner
  return [...index.children(userData.path)].sort().flatMap((name) => index.get(userData.child(name))?.value ?? [])
}

/** All profiles, by name. */
export function readProfiles(index: Documents): readonly Profile[] {
  const { profiles } = tree.provisioner
  return [...index.children(profiles.path)].sort().flatMap((name) => index.get(profiles.child(name))?.value ?? [])
}

/** What the guests of a profile are given; undefined: there is no such profile, or it has none. */
export function userDataOfProfile(index: Documents, profile: string): string | undefined {
  const name = ProvisionerName.safeParse(profile)
  if (!name.success) return undefined
  const userData = index.get(tree.provisioner.profiles.child(name.data))?.value.userData ?? undefined
  return userData && index.get(tree.provisioner.userData.child(userData))?.value.data
}
