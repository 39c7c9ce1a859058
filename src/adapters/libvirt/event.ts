/** libvirt's domain events with words instead of numbers. */
import type { StatValues } from './addon.ts'
import {
  AGENT_REASONS,
  AGENT_STATES,
  IO_ERROR_ACTIONS,
  LIFECYCLE_DETAILS,
  LIFECYCLE_EVENTS,
  type LifecycleWord,
  type Word,
  wordOf,
} from './word.ts'

type OfDomain = { readonly uuid: string; readonly name: string }
type OfDevice = OfDomain & { readonly device: string }

/** Every event of the binding, by kind. */
export type LibvirtEvents = {
  /** `detail` is libvirt's word, e.g. `stopped` with `crashed`, `suspended` with `ioerror`. */
  lifecycle: OfDomain & { readonly event: Word<LifecycleWord>; readonly detail: string }
  reboot: OfDomain
  'io-error': OfDevice & { readonly path: string; readonly action: string; readonly reason: string }
  'device-added': OfDevice
  'device-removed': OfDevice
  'device-removal-failed': OfDevice
  'agent-lifecycle': OfDomain & { readonly state: string; readonly reason: string }
  /** `values` as {@link LibvirtDomain.jobStats} reports them. */
  'job-completed': OfDomain & { readonly values: StatValues }
  'migration-iteration': OfDomain & { readonly iteration: number }
  'block-threshold': OfDevice & {
    readonly path?: string
    readonly thresholdBytes: number | bigint
    readonly excessBytes: number | bigint
  }
}

export type LibvirtEventKind = keyof LibvirtEvents

type Raw = { event: number; detail: number; action: number; state: number; reason: number }
type Kind = { readonly id: number; translate?(raw: Raw): object }

/** virDomainEventID of each kind, and which of its numbers become words. */
export const EVENT_KINDS: Readonly<Record<LibvirtEventKind, Kind>> = {
  lifecycle: {
    id: 0,
    translate(raw) {
      const event = LIFECYCLE_EVENTS[raw.event]
      const detail =
        event === undefined ? `unknown-${raw.detail}` : wordOf<string>(LIFECYCLE_DETAILS[event], raw.detail)
      return { event: wordOf(LIFECYCLE_EVENTS, raw.event), detail }
    },
  },
  reboot: { id: 1 },
  'io-error': { id: 6, translate: (raw) => ({ action: wordOf<string>(IO_ERROR_ACTIONS, raw.action) }) },
  'device-removed': { id: 15 },
  'agent-lifecycle': {
    id: 18,
    translate: (raw) => ({
      state: wordOf<string>(AGENT_STATES, raw.state),
      reason: wordOf<string>(AGENT_REASONS, raw.reason),
    }),
  },
  'device-added': { id: 19 },
  'migration-iteration': { id: 20 },
  'job-completed': { id: 21 },
  'device-removal-failed': { id: 22 },
  'block-threshold': { id: 24 },
}

/** Number that the addon takes for "the connection was closed", beside libvirt's event numbers. */
export const CLOSED_EVENT_ID = -1

/** The event as callers see it, from the payload of the addon. */
export function translateEvent<K extends LibvirtEventKind>(kind: K, raw: object): LibvirtEvents[K] {
  const translated = EVENT_KINDS[kind].translate?.(raw as Raw)
  return (translated ? { ...raw, ...translated } : raw) as LibvirtEvents[K]
}
