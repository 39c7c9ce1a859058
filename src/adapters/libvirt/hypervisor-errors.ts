import { type ErrorCode, PvcError } from '../../model/errors.ts'
import { LibvirtError, VIR_ERR } from './libvirt-error.ts'

const CODES: Readonly<Record<number, ErrorCode>> = {
  [VIR_ERR.XML_ERROR]: 'PVC_XML_INVALID',
  [VIR_ERR.XML_DETAIL]: 'PVC_XML_INVALID',
  [VIR_ERR.XML_INVALID_SCHEMA]: 'PVC_XML_INVALID',
}

/** Trying again cannot help before the definition or the host is changed. */
const FINAL: ReadonlySet<number> = new Set([
  VIR_ERR.XML_ERROR,
  VIR_ERR.XML_DETAIL,
  VIR_ERR.XML_INVALID_SCHEMA,
  VIR_ERR.CONFIG_UNSUPPORTED,
  VIR_ERR.ARGUMENT_UNSUPPORTED,
  VIR_ERR.CPU_INCOMPATIBLE,
])

/**
 * What libvirt answered, as the port reports it. details: libvirtCode, and isFinal when trying again cannot help.
 * Errors that are not libvirt's answers (a lost connection, a bug) pass unchanged.
 */
export function toHypervisorError(what: string, error: unknown): unknown {
  if (!(error instanceof LibvirtError)) return error
  const { code: libvirtCode, domain, level, call } = error
  const details = { libvirtCode, isFinal: FINAL.has(libvirtCode) }
  const cause = new LibvirtError(readableReason(error.message), { code: libvirtCode, domain, level, call })
  return new PvcError(CODES[libvirtCode] ?? 'PVC_HYPERVISOR_FAILED', `${what} failed`, { cause, details })
}

/** libvirt's message for an operator: without the command lines of a hook and of QEMU that it quotes. */
export function readableReason(message: string): string {
  const hook = /^Hook script execution failed: .*?unexpected exit status \d+: (.*)$/s.exec(message)
  const text = hook?.[1] ?? message.replace(/\d{4}-\d\d-\d\dT\S+Z (?=\S*qemu)/g, '').replace(QUOTED_OPTION, ': ')
  return text.trim()
}

/** `: -blockdev {"driver":...}: `, as QEMU quotes the option it could not carry out; JSON of libvirt has no spaces. */
const QUOTED_OPTION = /: -[a-z]+ \S+: /g
