/** Lines of the daemon's log as people read them. Pure. */

/** Fields that the line says otherwise, or that are the same in all of them. */
const KNOWN = ['level', 'time', 'pid', 'name', 'component', 'msg']

/**
 * `TIME LEVEL component: message field=value …` of a log entry in JSON; a text that is none stays as it is.
 * @param json one line, without its end
 */
export function formatLogLine(json: string): string {
  const entry = parseEntry(json)
  if (entry === undefined) return json
  const { level, time, component, msg } = entry
  const fields = Object.entries(entry).filter(([name]) => !KNOWN.includes(name))
  const rest = fields.map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`,
  )
  const subject = component === undefined ? '' : `${component}: `
  return `${time} ${String(level).padEnd(5)} ${subject}${msg ?? ''}${rest.join('')}`.replaceAll('\n', '\\n')
}

function parseEntry(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    // Whatever writes into the log, the line is shown.
    return undefined
  }
}

function quoted(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text)
}
