import { PvcError } from '../../model/errors.ts'
import type { Routing, RoutingSession } from '../../ports/routing.ts'

/** Routing daemons that follow the lines `router bgp` and `neighbor`, as far as pvcnoded asks about them. */
export class FakeRouting implements Routing {
  /** What the file holds. */
  text = ''
  /** What the daemons follow. */
  running = ''
  /** They do not answer. */
  isAway = false
  /** Addresses whose session is up. */
  readonly established = new Set<string>()
  /** Addresses that connected without being named. */
  readonly dynamic = new Set<string>()
  reloads = 0

  async stored(): Promise<string> {
    return this.text
  }

  async store(text: string): Promise<void> {
    this.text = text
  }

  async reload(): Promise<void> {
    this.#answer()
    this.reloads += 1
    if (!this.text.includes('listen range')) this.dynamic.clear()
    if (this.#named(this.text).some((address) => this.dynamic.has(address)))
      throw new PvcError('PVC_NETWORK_FAILED', '% Operation not allowed on a dynamic neighbor')
    this.running = this.text
  }

  async state(): ReturnType<Routing['state']> {
    this.#answer()
    const asn = /^router bgp (\d+)$/m.exec(this.running)?.[1]
    const session = (address: string, isDynamic: boolean): RoutingSession => ({
      address,
      isDynamic,
      isEstablished: this.established.has(address),
    })
    const named = this.#named(this.running).map((address) => session(address, false))
    const dynamic = [...this.dynamic].map((address) => session(address, true))
    const upstream = this.#upstream(this.running).map((address) => session(address, false))
    return { asn: asn === undefined ? undefined : Number(asn), sessions: [...named, ...dynamic], upstream }
  }

  #named(text: string): readonly string[] {
    return [...text.matchAll(/^ neighbor (\S+) peer-group fabric$/gm)].map(([, address = '']) => address)
  }

  #upstream(text: string): readonly string[] {
    return [...text.matchAll(/^ neighbor (\S*[.:]\S*) remote-as /gm)].map(([, address = '']) => address)
  }

  #answer(): void {
    if (this.isAway) throw new PvcError('PVC_NETWORK_FAILED', 'FRR does not answer: failed to connect to any daemons')
  }
}
