/** Lets at most `parallel` pieces of work run at once; the others wait in order of arrival. */
export class Limiter {
  readonly #parallel: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(parallel: number) {
    this.#parallel = parallel
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#parallel) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await work()
    } finally {
      // The place passes straight to the next in line, so nobody can slip in between.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running -= 1
    }
  }
}
