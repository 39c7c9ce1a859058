import type { Index } from '../view/index.ts'

/**
 * What operations need of the watch-fed index. Reading it costs no request to ZooKeeper; it may lag behind, so whoever
 * decides on it writes with the version read and lets the store refuse.
 */
export type DocumentIndex = Pick<Index, 'isUsable' | 'get' | 'children' | 'reached' | 'removed' | 'onChange'>
