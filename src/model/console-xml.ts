import { child, children, parseXml } from './xml.ts'

/** Where libvirt writes what a guest prints. */
export type ConsoleLog = {
  readonly file: string
  /** False: the file is emptied whenever the guest is started. */
  readonly isAppended: boolean
}

/**
 * The log file of a definition's first serial port or console that has one; undefined: none has.
 * @throws PVC_XML_INVALID
 */
export function readConsoleLog(xml: string): ConsoleLog | undefined {
  const devices = child(parseXml(xml), 'devices')
  for (const device of [...children(devices, 'serial'), ...children(devices, 'console')]) {
    const log = child(device, 'log')?.attributes
    if (log?.['file']) return { file: log['file'], isAppended: log['append'] === 'on' }
  }
  return undefined
}

/** What is wrong with the console of a definition, as sentences with the fix. @throws PVC_XML_INVALID */
export function consoleWarnings(xml: string): readonly string[] {
  const log = readConsoleLog(xml)
  if (log === undefined) {
    const element = "<serial type='pty'><log file='/var/log/libvirt/qemu/NAME-serial.log' append='on'/></serial>"
    return [`The definition has no console log, so 'pvc vm log' will show nothing: add ${element}.`]
  }
  if (log.isAppended) return []
  return [
    "The console log is emptied at every start of the guest, also when it arrives from another node: add append='on'.",
  ]
}
