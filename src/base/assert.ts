/** Throws when a condition that only a bug can break does not hold. The process is meant to crash: systemd restarts it. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`)
}

/** Makes a switch exhaustive at compile time; reached at run time only when data skipped its codec. */
export function unreachable(value: never): never {
  throw new Error(`unreachable value: ${JSON.stringify(value)}`)
}
