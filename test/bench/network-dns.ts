/** Answers of the primary's name server a second, beside the same PowerDNS with the same names in a file. */
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { addReservations } from '../lab/network-devices.ts'
import { floatingAddress } from '../lab/plan.ts'
import { pollUntil } from '../lab/poll.ts'
import { settledPrimary } from '../lab/primary.ts'
import { DOMAIN, VNI } from '../lab/services-ground.ts'
import type { Report } from './figure.ts'

/** The addresses 10.100.10.200 and up belong to nobody else there. */
const NAMES = 50
const SECONDS = 5
const PORT = 5353
const PID_FILE = '/run/bench-dns.pid'
/** Settings of PowerDNS without any cache, as the product runs it. */
const UNCACHED = ['--cache-ttl=0', '--query-cache-ttl=0', '--negquery-cache-ttl=0', '--zone-cache-refresh-interval=0']

const reservations = Array.from({ length: NAMES }, (_, index) => ({
  name: `seat${index}`,
  address: `10.100.10.${200 + index}`,
  mac: `52:54:00:00:10:${(16 + index).toString(16)}`,
}))

/** `one`: the same name again and again, which a cache would answer; `all`: one after the other. */
async function answersPerS(lab: Lab, server: string, port: number, names: 'one' | 'all'): Promise<number> {
  const asked = names === 'one' ? reservations.slice(0, 1) : reservations
  const file = lab.sharedFile(`dns-${names}.txt`, asked.map(({ name }) => `${name}.${DOMAIN} A\n`).join(''))
  const argv = ['dnsperf', '-s', server, '-p', String(port), '-d', file, '-l', String(SECONDS), '-c', '4', '-q', '32']
  const { stdout } = await lab.sh(argv, { timeoutMs: (SECONDS + 15) * 1000 })
  const rate = /Queries per second:\s+([\d.]+)/.exec(stdout)?.[1]
  const answered = /NOERROR \d+ \(100\.00%\)/.test(stdout)
  if (rate === undefined || !answered) throw new Error(`not every name was answered: ${stdout}`)
  return Number(rate)
}

/** Runs a PowerDNS of its own at `host` while `work` lasts: the same names in a zone file. */
async function withZoneFile<T>(lab: Lab, host: Host, settings: readonly string[], work: () => Promise<T>): Promise<T> {
  const records = reservations.map(({ name, address }) => `${name}.${DOMAIN}. 60 IN A ${address}\n`)
  const soa = `${DOMAIN}. 60 IN SOA ns.lab. root.lab. 1 3600 600 86400 60\n${DOMAIN}. 60 IN NS ns.lab.\n`
  const zone = lab.sharedFile('bench.zone', soa + records.join(''))
  const config = lab.sharedFile('bench-named.conf', `zone "${DOMAIN}" { type native; file "${zone}"; };\n`)
  const address = host.address('cluster')
  const argv = ['pdns_server', '--no-config', '--daemon=no', '--guardian=no', '--socket-dir=/run', '--launch=bind']
  const local = [`--bind-config=${config}`, `--local-address=${address}`, `--local-port=${PORT}`]
  const threads = ['--receiver-threads=1', '--distributor-threads=2', '--loglevel=0', '--security-poll-suffix=']
  const script = `echo $$ >${PID_FILE}; exec ${[...argv, ...local, ...threads, ...settings].join(' ')}`
  const server = host.sh(['bash', '-c', script], { allowFailure: true, timeoutMs: 120_000 })
  try {
    await pollUntil({ what: 'the name server with a zone file', timeoutMs: 15_000 }, async () => {
      const ask = ['dig', '+short', '+time=1', '+tries=1', '-p', String(PORT), `@${address}`, `seat0.${DOMAIN}`]
      return (await lab.sh(ask, { timeoutMs: 5000, allowFailure: true })).stdout.includes('10.100.10.200')
    })
    return await work()
  } finally {
    await host.sh(['bash', '-c', `kill $(cat ${PID_FILE})`], { allowFailure: true, timeoutMs: 5000 })
    await server
  }
}

/** On a lab with the network of `addShop`. Both servers run at the primary, one after the other. */
export async function reportAnswers(lab: Lab, report: Report): Promise<void> {
  await addReservations(lab, VNI, reservations)
  const server = floatingAddress('cluster')
  await pollUntil({ what: 'the names', timeoutMs: 30_000 }, async () => {
    const ask = ['dig', '+short', '+time=1', '+tries=1', `@${server}`, `seat${NAMES - 1}.${DOMAIN}`]
    return (await lab.sh(ask, { timeoutMs: 5000, allowFailure: true })).stdout.trim() !== ''
  })
  const host = lab.host(await settledPrimary(lab))
  const say = (value: number, params: Record<string, string | boolean>): void =>
    report({ metric: 'dns_qps', value, unit: 'answers/s', params, n: 1 })
  const one = await answersPerS(lab, server, 53, 'one')
  const all = await answersPerS(lab, server, 53, 'all')
  say(one, { backend: 'pvc', names: 'one', cache: false })
  say(all, { backend: 'pvc', names: 'all', cache: false })
  const address = host.address('cluster')
  const cached = await withZoneFile(lab, host, [], () => answersPerS(lab, address, PORT, 'one'))
  const uncached = await withZoneFile(lab, host, UNCACHED, () => answersPerS(lab, address, PORT, 'all'))
  say(cached, { backend: 'zone-file', names: 'one', cache: true })
  say(uncached, { backend: 'zone-file', names: 'all', cache: false })
  const ratio = (value: number, names: string): void =>
    report({ metric: 'dns_qps_ratio', value, unit: 'of zone-file', params: { names }, n: 1 })
  ratio(one / cached, 'one')
  ratio(all / uncached, 'all')
}
