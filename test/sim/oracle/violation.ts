/** A broken invariant. `id` is its number in the list of test/sim/README.md. */
export class Violation extends Error {
  readonly id: string
  constructor(id: string, message: string) {
    super(message)
    this.name = 'Violation'
    this.id = id
  }
}
