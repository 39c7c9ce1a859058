import { VmUuid } from '../../model/ids.ts'

/** The VM of a QEMU process by its arguments; undefined for any other process. */
export function qemuUuid(args: readonly string[]): VmUuid | undefined {
  const program = args[0]?.split('/').at(-1) ?? ''
  if (!/^(qemu-system-|qemu-kvm|kvm$)/.test(program)) return undefined
  const uuid = VmUuid.safeParse(args[args.indexOf('-uuid') + 1])
  return args.includes('-uuid') && uuid.success ? uuid.data : undefined
}

/**
 * True when a process names the RBD image `pool/volume` (or a snapshot of it) in its arguments: QEMU's `-blockdev` as JSON
 * or as keys, an `rbd:` file name, or the words of the `rbd` tool. A look of our own at the volume does not count: it
 * never writes, and would make a start fail that happens at the same time.
 */
export function namesVolume(args: readonly string[], volume: string): boolean {
  if (isLook(args)) return false
  const [pool = '', image = ''] = volume.split('/')
  return args.some((arg) => argNames(arg, pool, image)) || wordsName(args, pool, image)
}

/** `rbd ... lock ls|status|info POOL/IMAGE --format json`, as the Ceph adapter runs it. */
function isLook(args: readonly string[]): boolean {
  const [noun, verb, , format, json] = args.slice(-5)
  if (args[0]?.split('/').at(-1) !== 'rbd' || format !== '--format' || json !== 'json') return false
  return verb === 'status' || verb === 'info' || (noun === 'lock' && verb === 'ls')
}

function argNames(arg: string, pool: string, image: string): boolean {
  const spec = arg.split('@')[0]
  if (spec === `${pool}/${image}`) return true
  if (arg.startsWith('{')) return jsonNames(arg, pool, image)
  if (new RegExp(`(^|[=,:])rbd:${literal(pool)}/${literal(image)}([:@,]|$)`).test(arg)) return true
  // Keys in any order: `driver=rbd,pool=vms,image=x`, as in `-blockdev`, `-drive` and `--image-opts`.
  return hasKey(arg, 'pool', pool) && hasKey(arg, 'image', image)
}

function hasKey(arg: string, key: string, value: string): boolean {
  return new RegExp(`(^|[,. ])${key}=${literal(value)}(,|$)`).test(arg)
}

function jsonNames(arg: string, pool: string, image: string): boolean {
  let parsed: unknown
  try {
    parsed = JSON.parse(arg)
  } catch {
    return false
  }
  return objectNames(parsed, pool, image)
}

/** A `-blockdev` may hold the image inside a format or filter node, under `file`. */
function objectNames(value: unknown, pool: string, image: string): boolean {
  if (typeof value !== 'object' || value === null) return false
  if ('pool' in value && value.pool === pool && 'image' in value && value.image === image) return true
  return Object.values(value).some((part) => objectNames(part, pool, image))
}

/** `rbd -p vms ... x`, `rbd --pool vms --image x`, `--pool=vms`. */
function wordsName(args: readonly string[], pool: string, image: string): boolean {
  const hasPool = args.some(
    (arg, index) => arg === `--pool=${pool}` || ((arg === '-p' || arg === '--pool') && args[index + 1] === pool),
  )
  return hasPool && args.some((arg) => arg.split('@')[0] === image || arg === `--image=${image}`)
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
