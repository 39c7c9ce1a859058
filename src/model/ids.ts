import { z } from 'zod'

/** Short host name of a node: lower-case letters, digits and hyphens. */
export const NodeName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a short host name (lower-case letters, digits, hyphens)')
  .brand<'NodeName'>()
export type NodeName = z.infer<typeof NodeName>

/** libvirt UUID of a VM, lower case. */
export const VmUuid = z
  .string()
  .transform((text) => text.toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a UUID'))
  .brand<'VmUuid'>()
export type VmUuid = z.infer<typeof VmUuid>

/** One incarnation of a node's right to run guests (a uuid). See GLOSSARY: life. */
export const LifeId = z.string().min(1).brand<'LifeId'>()
export type LifeId = z.infer<typeof LifeId>

/** The kernel's boot id of a machine. */
export const BootId = z.string().min(1).brand<'BootId'>()
export type BootId = z.infer<typeof BootId>

/** Name of a Ceph pool. */
export const PoolName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'must be a pool name (letters, digits, _ . -)')
  .brand<'PoolName'>()
export type PoolName = z.infer<typeof PoolName>

/** Name of an RBD image. */
export const VolumeName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'must be a volume name (letters, digits, _ . -)')
  .brand<'VolumeName'>()
export type VolumeName = z.infer<typeof VolumeName>

/** `pool/volume`. */
export const VolumeRef = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*\/[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'must be pool/volume')
  .brand<'VolumeRef'>()
export type VolumeRef = z.infer<typeof VolumeRef>
