/** What new VMs are made of. So far: what their cloud-init reads, and which profile has it. */
import { z } from 'zod'
import { MAX_USER_DATA } from './domain.ts'

/** Name of a document of the provisioner; it is part of paths. */
export const ProvisionerName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'must be up to 64 letters, digits, dots, underscores or hyphens, and begin with a letter or digit',
  )
export type ProvisionerName = z.infer<typeof ProvisionerName>

const Common = {
  name: ProvisionerName,
  generation: z.number().int().positive(),
  /** A number for older clients, in the order of creation; nothing is found by it. */
  id: z.number().int().positive(),
}

/** What the metadata service gives to guests, as cloud-init reads it. Writer: the API. */
export const UserData = z.object({ ...Common, data: z.string().min(1).max(MAX_USER_DATA) })
export type UserData = z.infer<typeof UserData>

/**
 * What VMs of one kind have in common; a VM names its profile in its metadata. Writer: the API. A provisioner adds the templates
 * and the script that VMs are made with.
 */
export const Profile = z.object({
  ...Common,
  type: z.enum(['provisioner', 'ova']),
  /** Name of a user data document; null: none. */
  userData: ProvisionerName.nullable(),
})
export type Profile = z.infer<typeof Profile>

/** User data as the API v1 shows it. */
export function compatUserData({ id, name, data }: UserData) {
  return { id, name: name as string, userdata: data }
}

/** A profile as the API v1 shows it; what it has none of is `N/A` there. */
export function compatProfile({ id, name, type, userData }: Profile) {
  const none = 'N/A'
  return {
    id,
    name: name as string,
    type: type as string,
    system_template: none,
    network_template: none,
    storage_template: none,
    userdata: userData ?? none,
    script: none,
    ova: none,
    arguments: [] as string[],
  }
}
