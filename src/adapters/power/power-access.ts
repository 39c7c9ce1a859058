/** How this node's power is switched, with its secrets from their files. */
import type { Config } from '../../model/config.ts'
import { PvcError } from '../../model/errors.ts'
import type { PowerAccess } from '../../model/power.ts'
import { readPrivateFile } from '../crypto/cluster-key.ts'

/** Reads the files that the configuration names. @throws PvcError PVC_CONFIG_INVALID, without a byte of any secret */
export async function readPowerAccess(power: Config['power']): Promise<PowerAccess> {
  switch (power.method) {
    case 'none':
      return { method: 'none' }
    case 'ipmi': {
      const { host, user, interface: kind, cipherSuite, passwordFile } = power
      const hint = 'Write the password of the BMC into it, mode 0600.'
      const text = await readPrivateFile(passwordFile, 'BMC password', hint)
      const password = text.split('\n')[0]?.trim() ?? ''
      return { method: 'ipmi', host, user, password, interface: kind, cipherSuite }
    }
    case 'command': {
      const { on, off, status, environmentFile } = power
      const environment = environmentFile === undefined ? {} : await readEnvironment(environmentFile)
      return { method: 'command', on, off, status, environment }
    }
  }
}

async function readEnvironment(path: string): Promise<Record<string, string>> {
  const hint = 'Write NAME=VALUE lines into it, mode 0600.'
  const text = await readPrivateFile(path, 'environment of the power command', hint)
  const environment: Record<string, string> = {}
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) {
      throw new PvcError('PVC_CONFIG_INVALID', `Line ${index + 1} of ${path} is not NAME=VALUE.`)
    }
    environment[name] = value
  }
  return environment
}
