/** A value with subscribers, latest wins. Subscribers are told of changes only, not of the current value. */
export type Signal<T> = {
  readonly value: T
  subscribe(listener: (value: T) => void): () => void
}

/** A {@link Signal} its owner can set. Setting an equal value (Object.is) tells nobody. */
export class MutableSignal<T> implements Signal<T> {
  #value: T
  readonly #listeners = new Set<(value: T) => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }

  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
