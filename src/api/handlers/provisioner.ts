import type { provisionerRoutes } from '../../contract/provisioner.ts'
import type { RouteInput } from '../../contract/routes.ts'
import { PvcError } from '../../model/errors.ts'
import { compatProfile, compatUserData } from '../../model/provisioner.ts'
import { argumentError } from '../../operations/plan.ts'
import {
  addProfile,
  addUserData,
  modifyProfile,
  modifyUserData,
  removeProfile,
  removeUserData,
} from '../../operations/provisioner.ts'
import { readProfiles, readUserData } from '../../view/provisioner.ts'
import type { Handlers, RequestContext } from '../handler.ts'

async function createUserData({ deps }: RequestContext, name: string, data: string) {
  await addUserData(deps, name, data)
  return { message: `Created userdata document "${name}".` }
}

async function createProfile(
  { deps }: RequestContext,
  name: string,
  input: RouteInput<'profileAdd' | 'profileAddNamed'>,
) {
  refuseParts(input)
  await addProfile(deps, name, input.profile_type, { userData: input.userdata })
  return { message: `Created VM profile "${name}".` }
}

/** Silence would look like success: nothing is made with them yet. */
function refuseParts(input: RouteInput<'profileModify' | 'profileAdd' | 'profileAddNamed'>): void {
  const { system_template, network_template, storage_template, script, ova } = input
  for (const [argument, value] of Object.entries({ system_template, network_template, storage_template, script, ova }))
    if (value !== undefined) throw argumentError(argument, 'is not possible yet: profiles have user data only')
}

export const provisionerHandlers = {
  userDataList: ({ deps }, { limit }) =>
    readUserData(deps.index)
      .filter(({ name }) => limit === undefined || limit.test(name))
      .map(compatUserData),
  userDataInfo: ({ deps }, { userdata }) => {
    const found = readUserData(deps.index).filter(({ name }) => name === userdata)
    if (found.length === 0) throw new PvcError('PVC_OBJECT_NOT_FOUND', `User data '${userdata}' not found`)
    return found.map(compatUserData)
  },
  userDataAdd: (context, { name, data }) => createUserData(context, name, data),
  userDataAddNamed: (context, { userdata, data }) => createUserData(context, userdata, data),
  userDataModify: async ({ deps }, { userdata, data }) => {
    await modifyUserData(deps, userdata, data)
    return { message: `Updated userdata document "${userdata}".` }
  },
  userDataRemove: async ({ deps }, { userdata }) => {
    await removeUserData(deps, userdata)
    return { message: `Removed userdata document "${userdata}".` }
  },

  profileList: ({ deps }, { limit }) =>
    readProfiles(deps.index)
      .filter(({ name }) => limit === undefined || limit.test(name))
      .map(compatProfile),
  profileInfo: ({ deps }, { profile }) => {
    const found = readProfiles(deps.index).filter(({ name }) => name === profile)
    if (found.length === 0) throw new PvcError('PVC_OBJECT_NOT_FOUND', `Profile '${profile}' not found`)
    return found.map(compatProfile)
  },
  profileAdd: (context, input) => createProfile(context, input.name, input),
  profileAddNamed: (context, input) => createProfile(context, input.profile, input),
  profileModify: async ({ deps }, input) => {
    refuseParts(input)
    await modifyProfile(deps, input.profile, { userData: input.userdata })
    return { message: `Modified VM profile "${input.profile}".` }
  },
  profileRemove: async ({ deps }, { profile }) => {
    await removeProfile(deps, profile)
    return { message: `Removed VM profile "${profile}".` }
  },
} satisfies Pick<Handlers, keyof typeof provisionerRoutes>
