/** What daemons log, as lines of the timeline; costs nothing while nobody looks. */
import type { Log } from '../../../src/ports/log.ts'
import type { Engine } from './engine.ts'

export function simLog(engine: Engine, name: string): Log {
  const write = (level: string) => (fields: object, message: string) => {
    if (engine.trace === undefined) return
    const words = JSON.stringify(fields, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    engine.trace(`  ${name} ${level}: ${message} ${words === '{}' ? '' : words}`)
  }
  return {
    debug: () => undefined,
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: ({ component }) => simLog(engine, `${name.split(' ')[0]} ${component}`),
  }
}
