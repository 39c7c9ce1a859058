/** Which host carries ZooKeeper's leader. */
import type { Lab } from './lab.ts'
import { coordinators, hostName } from './plan.ts'
import { pollUntil } from './poll.ts'

/** Asks every coordinator's server; waits until one says it leads. */
export function zooKeeperLeader(lab: Lab): Promise<string> {
  const hosts = coordinators(lab.hosts.length).map(hostName)
  return pollUntil({ what: 'a ZooKeeper leader', timeoutMs: 20_000 }, async () => {
    const modes = await Promise.all(
      hosts.map(async (name) => {
        const ask = `exec 3<>"/dev/tcp/$1/2181" && printf srvr >&3 && cat <&3`
        const address = lab.host(name).address('cluster')
        const { stdout } = await lab
          .host(name)
          .sh(['bash', '-c', ask, 'ask', address], { timeoutMs: 3000, allowFailure: true })
        return { name, isLeader: /Mode: leader/.test(stdout) }
      }),
    )
    return modes.find((mode) => mode.isLeader)?.name
  })
}
