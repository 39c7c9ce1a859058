/** A real ZooKeeper ensemble on loopback addresses, for tests that break its servers one by one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pollUntil } from './poll.ts'
import {
  javaCommand,
  log4jProperties,
  serverMode,
  type ZooKeeperMember,
  type ZooKeeperMode,
  zooCfg,
} from './zookeeper-config.ts'

/** Where an ensemble lives. `dir` must exist and be private to it; data and logs stay there after `stop`. */
export type EnsembleOptions = {
  dir: string
  /** Number of servers, 1 to 5; default 3. */
  servers?: number
  /**
   * First of three consecutive ports per server on 127.0.0.1 (client, quorum, election). Without it every server gets
   * a random address of its own in 127.0.0.0/8 with ports 2181, 2888, 3888, so parallel test runs do not meet.
   */
  basePort?: number
  /** Deadline for the whole ensemble to serve, in ms; default 30 s. */
  timeoutMs?: number
}

/** One running (or killed, or frozen) server. `index` counts from 0, `id` is ZooKeeper's number and counts from 1. */
export type EnsembleServer = ZooKeeperMember & { index: number; dir: string; logFile: string; pid: number | undefined }

/** Handle of an ensemble. Every wait inside has a deadline and rejects with the servers' last modes. */
export type Ensemble = {
  /** `address:port,...` of all servers, as the client takes it. */
  connectString: string
  servers: readonly EnsembleServer[]
  /** Mode each server reports of itself now. */
  modes(): Promise<ZooKeeperMode[]>
  /** Index of the serving leader, waiting for an election in progress; default deadline 15 s. */
  leader(timeoutMs?: number): Promise<number>
  /** Index of some serving follower. */
  follower(timeoutMs?: number): Promise<number>
  /** Waits until this server serves clients (leader or follower). */
  serving(index: number, timeoutMs?: number): Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(index: number): Promise<void>
  /** SIGSTOP: the server hangs, its sockets stay open. */
  pause(index: number): void
  /** SIGCONT. */
  resume(index: number): void
  /** SIGKILL if it runs, start again, wait until it serves (pass wait = false when no quorum can form). */
  restart(index: number, options?: { wait?: boolean; timeoutMs?: number }): Promise<void>
  /** Kills all servers; safe to call twice. */
  stop(): Promise<void>
}

type Running = { server: EnsembleServer; child: ChildProcess | undefined; exited: Promise<void> }

function memberAddresses(options: EnsembleOptions): ZooKeeperMember[] {
  const count = options.servers ?? 3
  const network = `127.${randomInt(16, 250)}.${randomInt(1, 250)}`
  return Array.from({ length: count }, (_, index) => {
    const id = index + 1
    if (options.basePort === undefined) {
      return { id, address: `${network}.${id}`, clientPort: 2181, quorumPort: 2888, electionPort: 3888 }
    }
    const port = options.basePort + index * 3
    return { id, address: '127.0.0.1', clientPort: port, quorumPort: port + 1, electionPort: port + 2 }
  })
}

function prepare(member: ZooKeeperMember, members: readonly ZooKeeperMember[], dir: string): EnsembleServer {
  const own = join(dir, `server${member.id}`)
  mkdirSync(join(own, 'data'), { recursive: true })
  writeFileSync(join(own, 'data', 'myid'), `${member.id}\n`)
  writeFileSync(join(own, 'zoo.cfg'), zooCfg(member, members, join(own, 'data')))
  writeFileSync(join(own, 'log4j.properties'), log4jProperties())
  return { ...member, index: member.id - 1, dir: own, logFile: join(own, 'zookeeper.log'), pid: undefined }
}

function launch(running: Running): void {
  const log = openSync(running.server.logFile, 'a')
  // pdeathsig: a test runner that is killed leaves no JVM behind.
  const argv = ['--pdeathsig', 'KILL', ...javaCommand(running.server.dir)]
  const child = spawn('setpriv', argv, { cwd: running.server.dir, stdio: ['ignore', log, log] })
  closeSync(log)
  running.child = child
  running.server.pid = child.pid
  running.exited = new Promise((resolve) => {
    const gone = (): void => {
      running.child = undefined
      running.server.pid = undefined
      resolve()
    }
    child.once('exit', gone)
    child.once('error', gone)
  })
}

async function killServer(running: Running): Promise<void> {
  running.child?.kill('SIGKILL')
  await running.exited
}

/**
 * Starts the ensemble and waits until every server serves. Settings are those shipped in systemd/zookeeper. When the
 * start fails, everything is stopped again and the error names the servers' modes and log files.
 */
export async function startEnsemble(options: EnsembleOptions): Promise<Ensemble> {
  const members = memberAddresses(options)
  const all: Running[] = members.map((member) => ({
    server: prepare(member, members, options.dir),
    child: undefined,
    exited: Promise.resolve(),
  }))
  const at = (index: number): Running => {
    const running = all[index]
    if (running === undefined) throw new RangeError(`no server ${index}`)
    return running
  }
  const mode = ({ server }: Running): Promise<ZooKeeperMode> => serverMode(server.address, server.clientPort, 500)
  const modes = (): Promise<ZooKeeperMode[]> => Promise.all(all.map(mode))
  const find = (wanted: readonly ZooKeeperMode[], timeoutMs = 15_000): Promise<number> =>
    pollUntil({ what: `a ${wanted.join(' or ')} in ${options.dir}`, timeoutMs, intervalMs: 25 }, async () => {
      const seen = await modes()
      // After a freeze the old leader still calls itself one until its followers' silence ends its term: wait for one.
      if (seen.filter((each) => each === 'leader').length > 1) return undefined
      const index = seen.findIndex((each) => wanted.includes(each))
      return index < 0 ? undefined : index
    })
  const serving = async (index: number, timeoutMs = 20_000): Promise<void> => {
    const what = `ZooKeeper server ${index} serving (log: ${at(index).server.logFile})`
    await pollUntil({ what, timeoutMs, intervalMs: 25 }, async () => (await mode(at(index))) !== 'down')
  }
  const stop = async (): Promise<void> => {
    await Promise.all(all.map(killServer))
  }
  const ensemble: Ensemble = {
    connectString: members.map((m) => `${m.address}:${m.clientPort}`).join(','),
    servers: all.map(({ server }) => server),
    modes,
    leader: (timeoutMs) => find(['leader', 'standalone'], timeoutMs),
    follower: (timeoutMs) => find(['follower'], timeoutMs),
    serving,
    kill: (index) => killServer(at(index)),
    pause: (index) => void at(index).child?.kill('SIGSTOP'),
    resume: (index) => void at(index).child?.kill('SIGCONT'),
    restart: async (index, { wait = true, timeoutMs } = {}) => {
      await killServer(at(index))
      launch(at(index))
      if (wait) await serving(index, timeoutMs)
    },
    stop,
  }
  try {
    for (const running of all) launch(running)
    await Promise.all(all.map((_, index) => serving(index, options.timeoutMs ?? 30_000)))
    return ensemble
  } catch (error) {
    await stop()
    throw error
  }
}
