import type { FakeCeph } from './ceph.ts'
import type { FakeImage, FakeWriteResult } from './ceph-image.ts'
import { type FakeDomain, rbdVolumes } from './domain.ts'
import type { FakeProcesses } from './processes.ts'

export type FakeQemuOptions = {
  readonly processes: FakeProcesses
  /** Given: disks are opened, locked and written there, from `address`. */
  readonly ceph?: FakeCeph
  readonly address?: string
}

/** How the end of a QEMU by a signal is told. Its Ceph client has ended with it. */
export type FakeQemuEnds = { readonly onKilled: () => void; readonly onTerminated: () => void }

/** The QEMU processes of one fake machine, with what they do to disks. */
export class FakeQemu {
  readonly #options: FakeQemuOptions

  constructor(options: FakeQemuOptions) {
    this.#options = options
  }

  /** The first disk of a domain that does not exist. */
  missingVolume(domain: FakeDomain): string | undefined {
    const { ceph } = this.#options
    return ceph && rbdVolumes(domain.xml).find((volume) => !ceph.image(volume))
  }

  /** Starts the process of a domain; it opens its disks. */
  launch(domain: FakeDomain, ends: FakeQemuEnds): void {
    const client = this.#options.ceph?.connect(this.#options.address ?? '10.0.0.1')
    const pid = this.#options.processes.spawn({
      uuid: domain.uuid,
      volumes: rbdVolumes(domain.xml),
      onKilled: () => {
        client?.die()
        if (domain.run?.pid === pid) ends.onKilled()
      },
      onTerminated: () => {
        client?.close()
        if (domain.run?.pid === pid) ends.onTerminated()
      },
    })
    domain.run = { pid, client }
    for (const image of this.#images(domain)) client?.open(image)
  }

  /** Ends the process of a domain in an orderly way. */
  end(domain: FakeDomain): void {
    if (!domain.run) return
    this.#options.processes.exit(domain.run.pid)
    domain.run.client?.close()
  }

  /** Gives the locks of a domain's disks back, as at the switch of a migration. */
  unlock(domain: FakeDomain): void {
    for (const image of this.#images(domain)) domain.run?.client?.unlock(image)
  }

  /** The guest writes to each of its disks once. */
  write(domain: FakeDomain): readonly FakeWriteResult[] {
    const client = domain.run?.client
    if (!client || domain.state !== 'running') return []
    const stamp = { owner: domain.mark?.life ?? 'unmarked', seq: domain.mark?.seq ?? 0 }
    return this.#images(domain).map((image) => client.write(image, stamp))
  }

  /** The guest writes as soon as it can get the lock. */
  writeWhenPossible(domain: FakeDomain): void {
    const pid = domain.run?.pid
    const attempt = () => {
      if (domain.run?.pid !== pid || !this.write(domain).includes('waiting')) unsubscribe?.()
    }
    const unsubscribe = this.#options.ceph?.onChange(attempt)
    attempt()
  }

  #images(domain: FakeDomain): readonly FakeImage[] {
    return rbdVolumes(domain.xml).flatMap((volume) => this.#options.ceph?.image(volume) ?? [])
  }
}
