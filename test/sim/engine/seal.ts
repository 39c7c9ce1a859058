/** Takes real time and real chance away from everything that runs in this process: who asks for them gets an error. */
import { hashText } from './random.ts'

function sealed(name: string) {
  return () => {
    throw new Error(`${name} was used inside the simulation; take time from the Clock port`)
  }
}

/** For a process that does nothing but simulate. UUIDs that nobody gave as a dependency come from a counter. */
export function sealGlobals(): void {
  let uuids = 0
  const randomUUID = () => {
    uuids += 1
    const words = [1, 2, 3, 4].map((part) => hashText(`uuid ${uuids} ${part}`).toString(16).padStart(8, '0')).join('')
    return `${words.slice(0, 8)}-${words.slice(8, 12)}-4${words.slice(13, 16)}-8${words.slice(17, 20)}-${words.slice(20)}`
  }
  Object.defineProperty(globalThis, 'crypto', { value: { randomUUID } })
  Object.assign(globalThis, { setTimeout: sealed('setTimeout'), setInterval: sealed('setInterval') })
  Date.now = sealed('Date.now')
  Math.random = sealed('Math.random')
}
