/**
 * How a ZooKeeper server is started: read from the files that are shipped for production (systemd/zookeeper), so that
 * tests and lab never run with other settings than a real coordinator.
 */
import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'

const shipped = new URL('../../systemd/zookeeper/', import.meta.url)

/** One member of an ensemble: its number and the address its three ports are bound to. */
export type ZooKeeperMember = {
  id: number
  address: string
  clientPort: number
  quorumPort: number
  electionPort: number
}

/** Role a server reports of itself; 'down' covers refused, silent and "not currently serving". */
export type ZooKeeperMode = 'leader' | 'follower' | 'standalone' | 'down'

/** The text of zoo.cfg for one member: the shipped settings plus what differs per server. */
export function zooCfg(self: ZooKeeperMember, members: readonly ZooKeeperMember[], dataDir: string): string {
  const own = [`dataDir=${dataDir}`, `clientPort=${self.clientPort}`, `clientPortAddress=${self.address}`]
  const peers = members.map((m) => `server.${m.id}=${m.address}:${m.quorumPort}:${m.electionPort}`)
  return `${readFileSync(new URL('zoo.cfg', shipped), 'utf8')}\n${[...own, ...peers].join('\n')}\n`
}

/** The shipped log4j.properties (everything to stdout). */
export function log4jProperties(): string {
  return readFileSync(new URL('log4j.properties', shipped), 'utf8')
}

/** The `Environment="KEY=value"` lines of the shipped systemd drop-in. */
export function dropInEnvironment(): Map<string, string> {
  const text = readFileSync(new URL('zookeeper.service.d/pvc.conf', shipped), 'utf8')
  const found = new Map<string, string>()
  for (const match of text.matchAll(/^Environment="([A-Z0-9_]+)=(.*)"$/gm)) found.set(match[1] ?? '', match[2] ?? '')
  return found
}

/**
 * The argv that runs one server. Only heap and compiler flags differ from production: three servers and their tests
 * share a small machine, and the short compiler saves half of the start-up time.
 * @throws when the shipped drop-in lost one of its Environment lines
 */
export function javaCommand(confDir: string): string[] {
  const environment = dropInEnvironment()
  const get = (key: string): string => {
    const value = environment.get(key)
    if (value === undefined) throw new Error(`systemd/zookeeper/zookeeper.service.d/pvc.conf has no ${key}`)
    return value
  }
  return [
    '/usr/bin/java',
    ...['-Xms32m', '-Xmx384m', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-XX:-UsePerfData'],
    ...get('PVC_ZK_JVM').split(' '),
    ...get('PVC_ZK_FLAGS').split(' '),
    ...['-cp', `${confDir}:${get('PVC_ZK_CLASSPATH')}`],
    'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    `${confDir}/zoo.cfg`,
  ]
}

/** Sends one four-letter command (srvr, mntr, ruok); rejects when refused or silent for `timeoutMs`. */
export function fourLetter(address: string, port: number, word: string, timeoutMs = 1000): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = createConnection({ host: address, port })
    // A frozen server accepts connections (the kernel does) and never answers: the deadline covers the whole exchange.
    const timer = setTimeout(() => socket.destroy(new Error(`${word} to ${address}:${port}: no answer`)), timeoutMs)
    socket.setEncoding('utf8')
    socket.on('connect', () => socket.end(word))
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.on('close', (hadError) => {
      clearTimeout(timer)
      if (!hadError) resolve(answer)
    })
  })
}

/** Mode of one server now; never rejects. */
export async function serverMode(address: string, port: number, timeoutMs = 1000): Promise<ZooKeeperMode> {
  try {
    const mode = /^Mode: (\w+)/m.exec(await fourLetter(address, port, 'srvr', timeoutMs))?.[1]
    return mode === 'leader' || mode === 'follower' || mode === 'standalone' ? mode : 'down'
  } catch {
    return 'down'
  }
}
