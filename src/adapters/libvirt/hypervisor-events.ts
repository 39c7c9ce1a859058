import { VmUuid } from '../../model/ids.ts'
import type { HypervisorEvent } from '../../ports/hypervisor.ts'
import type { LibvirtEventKind, LibvirtEvents } from './event.ts'

type OfDomain = { readonly uuid: string }

/** Event and detail of each kind of libvirt event that may mean "look again". */
const WORDS: { readonly [K in LibvirtEventKind]?: (event: LibvirtEvents[K]) => readonly [string, string] } = {
  lifecycle: ({ event, detail }) => [event, detail],
  reboot: () => ['reboot', ''],
  'io-error': ({ action, reason }) => ['io-error', reason === '' ? action : `${action} ${reason}`],
  'agent-lifecycle': ({ state }) => ['agent', state],
  'device-added': ({ device }) => ['device-added', device],
  'device-removed': ({ device }) => ['device-removed', device],
  'device-removal-failed': ({ device }) => ['device-removal-failed', device],
  'job-completed': () => ['job-completed', ''],
}

/** The part of a connection that events come from. */
export type EventSource = {
  subscribe<K extends LibvirtEventKind>(kind: K, listener: (event: LibvirtEvents[K]) => void): unknown
}

/** Passes all events on, as long as the source lives. */
export function listenToDomains(source: EventSource, listener: (event: HypervisorEvent) => void): void {
  const listen = <K extends LibvirtEventKind>(kind: K) =>
    source.subscribe(kind, (raw: LibvirtEvents[K] & OfDomain) => {
      const words = WORDS[kind]?.(raw)
      if (words) listener({ kind: 'domain', uuid: VmUuid.parse(raw.uuid), event: words[0], detail: words[1] })
    })
  for (const kind of Object.keys(WORDS) as LibvirtEventKind[]) listen(kind)
}
