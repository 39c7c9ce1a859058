import type { PowerAccess } from '../../model/power.ts'

/** What a program printed, as the short end of a reason. */
export type Words = (text: string) => string

const MAX_WORDS = 200
/** Shorter values are settings, and hiding them would garble every text. */
const MIN_SECRET = 4

/** Words in one line, without the secrets that the program was given: a reason is logged and stored. */
export function wordsWithout(access: PowerAccess): Words {
  const given = access.method === 'ipmi' ? [access.password] : access.method === 'command' ? valuesOf(access) : []
  const secrets = given.filter((secret) => secret.length >= MIN_SECRET)
  return (text) => {
    const hidden = secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
    const lines = hidden.split('\n').flatMap((line) => line.trim() || [])
    return lines.slice(-2).join('; ').slice(0, MAX_WORDS)
  }
}

function valuesOf(access: Extract<PowerAccess, { method: 'command' }>): readonly string[] {
  return Object.values(access.environment)
}
