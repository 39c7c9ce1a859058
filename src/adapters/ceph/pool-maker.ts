import { PvcError } from '../../model/errors.ts'
import type { Pool } from '../../model/storage.ts'
import type { CephCommand } from './tool.ts'

/** Runs one command and gives its standard output. */
export type RunCephTool = (command: CephCommand) => Promise<string>

/**
 * Makes a replicated pool for RBD, or leaves none behind. The placement group autoscaler is off: the operator chose the
 * number. A tier's CRUSH rule is shared by its pools and stays.
 * @throws PvcError PVC_CEPH_EXISTS; PVC_CEPH_FAILED, details.leftover = true when the half-made pool could not be removed
 */
export async function makePool(run: RunCephTool, pool: Pool): Promise<void> {
  const rule = pool.tier === 'default' ? undefined : `${pool.tier}_tier`
  if (rule !== undefined) {
    const what = `making CRUSH rule ${rule}`
    // Repeating it is harmless. Data of a host must not depend on another copy in the same host.
    const args = ['osd', 'crush', 'rule', 'create-replicated', rule, 'default', 'host', pool.tier]
    await run({ tool: 'ceph', what, args })
  }
  const pgs = String(pool.pgs)
  const create = ['osd', 'pool', 'create', pool.name, pgs, pgs, 'replicated', ...(rule === undefined ? [] : [rule])]
  await run({ tool: 'ceph', what: `making pool ${pool.name}`, args: [...create, '--autoscale-mode=off'] })
  try {
    await set(run, pool, 'size', pool.copies, pool.copies === 1 ? ['--yes-i-really-mean-it'] : [])
    await set(run, pool, 'min_size', pool.minCopies)
    await run({ tool: 'rbd', what: `preparing pool ${pool.name} for RBD`, args: ['pool', 'init', pool.name] })
  } catch (cause) {
    throw await undone(run, pool, cause)
  }
}

function set(run: RunCephTool, pool: Pool, key: string, value: number, more: readonly string[] = []): Promise<string> {
  const args = ['osd', 'pool', 'set', pool.name, key, String(value), ...more]
  return run({ tool: 'ceph', what: `setting ${key} of pool ${pool.name}`, args })
}

async function undone(run: RunCephTool, pool: Pool, cause: unknown): Promise<PvcError> {
  const what = `removing half-made pool ${pool.name}`
  const args = ['osd', 'pool', 'rm', pool.name, pool.name, '--yes-i-really-really-mean-it']
  try {
    await run({ tool: 'ceph', what, args })
  } catch (undoError) {
    const text = undoError instanceof Error ? undoError.message : String(undoError)
    return new PvcError('PVC_CEPH_FAILED', `pool ${pool.name} was made in part only and remains (${text})`, {
      cause,
      details: { leftover: true },
    })
  }
  return new PvcError('PVC_CEPH_FAILED', `pool ${pool.name} could not be made; nothing remains of it`, { cause })
}
