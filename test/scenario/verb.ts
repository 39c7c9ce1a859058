import type { World } from './world.ts'

/** One word of a script, carried out with the words after it. */
export type Verb = (world: World, args: readonly string[]) => Promise<void> | void
