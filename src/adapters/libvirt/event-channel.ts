/** One registration at libvirt shared by any number of listeners: libvirt refuses a second one for the same event. */
export class EventChannel<T> {
  readonly #register: (deliver: (payload: T) => void) => Promise<() => Promise<void>>
  readonly #listeners = new Set<(payload: T) => void>()
  #unregister: (() => Promise<void>) | undefined
  #turn: Promise<void> = Promise.resolve()

  /** `register` begins delivery and resolves to its end. */
  constructor(register: (deliver: (payload: T) => void) => Promise<() => Promise<void>>) {
    this.#register = register
  }

  /** Resolves when the listener is told of everything from now on. @returns removal: nothing is delivered after the call. */
  async add(listener: (payload: T) => void): Promise<() => Promise<void>> {
    // A wrapper, so that the same function may listen twice.
    const entry = (payload: T) => listener(payload)
    this.#listeners.add(entry)
    try {
      await this.#settle()
    } catch (error) {
      this.#listeners.delete(entry)
      throw error
    }
    return async () => {
      if (this.#listeners.delete(entry)) await this.#settle()
    }
  }

  /** Drops all listeners without telling libvirt; for a connection that is closed anyway. */
  clear(): void {
    this.#listeners.clear()
  }

  #deliver(payload: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        if (this.#listeners.has(listener)) listener(payload)
      } catch (error) {
        // An uncaught exception like that of any event listener, but the others are told all the same.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /** Registers for the first listener, unregisters after the last; one step at a time. */
  #settle(): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#listeners.size > 0 && !this.#unregister) {
        this.#unregister = await this.#register((payload) => this.#deliver(payload))
      } else if (this.#listeners.size === 0 && this.#unregister) {
        const unregister = this.#unregister
        this.#unregister = undefined
        await unregister()
      }
    })
    // Whoever asked hears of a failure; the next one must get a turn all the same.
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}
