import { z } from 'zod'
import { MAX_USER_DATA } from '../model/domain.ts'
import { optionalPattern, optionalText, requiredText, requiredWord } from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

/** A user data document. */
export const UserData = z.object({ id: Count, name: z.string(), userdata: z.string() })
export type UserData = z.infer<typeof UserData>

/** A profile; `N/A`: it has none. Templates, scripts and OVAs are `N/A` until there is a provisioner. */
export const Profile = z.object({
  id: Count,
  name: z.string(),
  type: z.string(),
  system_template: z.string(),
  network_template: z.string(),
  storage_template: z.string(),
  userdata: z.string(),
  script: z.string(),
  ova: z.string(),
  arguments: z.array(z.string()),
})
export type Profile = z.infer<typeof Profile>

const ByUserData = z.object({ userdata: requiredText })
const ByProfile = z.object({ profile: requiredText })
const data = requiredText.max(MAX_USER_DATA, `must not be longer than ${MAX_USER_DATA} characters`)
/** Known to older clients; refused until there is a provisioner. */
const Parts = z.object({
  system_template: optionalText,
  network_template: optionalText,
  storage_template: optionalText,
  script: optionalText,
  ova: optionalText,
})
const NewProfile = Parts.extend({
  profile_type: requiredWord(['provisioner', 'ova']),
  userdata: optionalText,
})

const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const
const ADD = ['PVC_OBJECT_EXISTS'] as const
const CHANGE = ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT'] as const

export const provisionerRoutes = {
  userDataList: defineRoute('userDataList', {
    summary: 'User data documents whose name matches.',
    input: z.object({ limit: optionalPattern }),
    output: z.array(UserData),
  }),
  userDataAdd: defineRoute('userDataAdd', {
    summary: 'Adds a user data document, which cloud-init in guests is to read.',
    input: z.object({ name: requiredText, data }),
    output: Message,
    errors: ADD,
  }),
  userDataInfo: defineRoute('userDataInfo', {
    summary: 'One user data document (a list of one).',
    input: ByUserData,
    output: z.array(UserData),
    errors: NOT_FOUND,
  }),
  userDataAddNamed: defineRoute('userDataAddNamed', {
    summary: 'As POST /provisioner/userdata, with the name in the path.',
    input: ByUserData.extend({ data }),
    output: Message,
    errors: ADD,
  }),
  userDataModify: defineRoute('userDataModify', {
    summary: 'Replaces the text of a user data document.',
    input: ByUserData.extend({ data }),
    output: Message,
    errors: CHANGE,
  }),
  userDataRemove: defineRoute('userDataRemove', {
    summary: 'Removes a user data document that no profile names.',
    input: ByUserData,
    output: Message,
    errors: [...NOT_FOUND, 'PVC_STATE_REFUSED'],
  }),
  profileList: defineRoute('profileList', {
    summary: 'Profiles whose name matches.',
    input: z.object({ limit: optionalPattern }),
    output: z.array(Profile),
  }),
  profileAdd: defineRoute('profileAdd', {
    summary: 'Adds a profile. So far it has user data only.',
    input: NewProfile.extend({ name: requiredText }),
    output: Message,
    errors: ADD,
  }),
  profileInfo: defineRoute('profileInfo', {
    summary: 'One profile (a list of one).',
    input: ByProfile,
    output: z.array(Profile),
    errors: NOT_FOUND,
  }),
  profileAddNamed: defineRoute('profileAddNamed', {
    summary: 'As POST /provisioner/profile, with the name in the path.',
    input: NewProfile.extend({ profile: requiredText }),
    output: Message,
    errors: ADD,
  }),
  profileModify: defineRoute('profileModify', {
    summary: 'Changes what is given of a profile; an empty text clears.',
    input: Parts.extend({ profile: requiredText, userdata: z.string().optional() }),
    output: Message,
    errors: CHANGE,
  }),
  profileRemove: defineRoute('profileRemove', {
    summary: 'Removes a profile. VMs keep its name.',
    input: ByProfile,
    output: Message,
    errors: NOT_FOUND,
  }),
} as const
