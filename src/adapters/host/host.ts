/** The machine as packaging set it up. */
import { access, constants, readFile } from 'node:fs/promises'
import { PvcError } from '../../model/errors.ts'
import type { Host } from '../../ports/host.ts'
import { readCephKey } from '../ceph/keyring.ts'
import { type CommandOutcome, type RunCommand, runCommand } from '../process/command.ts'

export type HostOptions = {
  readonly guestKeyring: string
  readonly guestUser: string
  /** The start hook as this release ships it. */
  readonly shippedHook: string
  readonly installedHook?: string
  readonly machineIdFile?: string
  /** Restarts the machine at once. */
  readonly rebootCommand: readonly string[]
  /** Default: real processes. */
  readonly run?: RunCommand
}

/** The command only has to ask the kernel. */
const REBOOT_MS = 30_000

/** Reads the machine's own files; each call reads anew, because an operator may just have repaired one. */
export function createHost(options: HostOptions): Host {
  const installed = options.installedHook ?? '/etc/libvirt/hooks/qemu'
  return {
    async machineId() {
      const text = await readIfThere(options.machineIdFile ?? '/etc/machine-id')
      const id = text?.trim()
      return id === undefined || !/^[0-9a-f]{32}$/.test(id) ? undefined : id
    },
    async reboot(reason) {
      const [file = '', ...args] = options.rebootCommand
      const outcome = await (options.run ?? runCommand)({ file, args, deadlineMs: REBOOT_MS })
      if (outcome.kind === 'exited' && outcome.exitCode === 0) return
      const message = `this machine could not be rebooted although ${reason}: ${options.rebootCommand.join(' ')} ${endOf(outcome)}`
      throw new PvcError('PVC_HOST_FAILED', message)
    },
    guestKey: () => readCephKey(options.guestKeyring, options.guestUser),
    async startHookProblem() {
      const [shipped, present] = await Promise.all([readFile(options.shippedHook, 'utf8'), readIfThere(installed)])
      const isExecutable = await mayExecute(installed)
      if (present === shipped && isExecutable) return undefined
      const wrong = present === shipped ? 'is not executable' : 'is not the one of this release'
      const what = present === undefined ? 'is missing' : wrong
      return `libvirt's start hook ${installed} ${what}: copy ${options.shippedHook} there (mode 0755) and restart libvirtd once. Running VMs are not disturbed.`
    },
  }
}

function endOf(outcome: CommandOutcome): string {
  if (outcome.kind === 'exited') return `ended with code ${outcome.exitCode} (${outcome.stderr.trim().slice(0, 200)})`
  return outcome.kind === 'not-started'
    ? `could not be started (${outcome.error.message})`
    : `was ended: ${outcome.kind}`
}

/** libvirt passes over a hook it may not execute, with no more than a warning in its log. */
async function mayExecute(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
