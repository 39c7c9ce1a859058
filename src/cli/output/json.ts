/**
 * JSON on one line with a blank after each comma and colon, so that scripts which search the text of the older client's
 * output (`"state": "start"`) still find it.
 */
function formatCompact(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatCompact).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}: ${formatCompact(member)}`).join(', ')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** Any answer as JSON: one line, or indented by two blanks. */
export function formatJson(value: unknown, isPretty: boolean): string {
  return isPretty ? JSON.stringify(value, undefined, 2) : formatCompact(value)
}
