/** Which host carries ZooKeeper's leader. */
import type { Lab } from './lab.ts'
import { coordinators, hostName } from './plan.ts'
import { pollUntil } from './poll.ts'

type Mode = { readonly name: string; readonly mode: string | undefined }

/** What every coordinator's server says it is; undefined: it does not serve. */
function zooKeeperModes(lab: Lab): Promise<readonly Mode[]> {
  return Promise.all(
    coordinators(lab.hosts.length)
      .map(hostName)
      .map(async (name) => {
        const ask = `exec 3<>"/dev/tcp/$1/2181" && printf srvr >&3 && cat <&3`
        const address = lab.host(name).address('cluster')
        const { stdout } = await lab
          .host(name)
          .sh(['bash', '-c', ask, 'ask', address], { timeoutMs: 3000, allowFailure: true })
        return { name, mode: /Mode: (\w+)/.exec(stdout)?.[1] }
      }),
  )
}

/** Asks every coordinator's server; waits until one says it leads. */
export function zooKeeperLeader(lab: Lab): Promise<string> {
  return pollUntil({ what: 'a ZooKeeper leader', timeoutMs: 20_000 }, async () => {
    return (await zooKeeperModes(lab)).find(({ mode }) => mode === 'leader')?.name
  })
}

/** Takes the lead from the server that has it, until it is well; every server serves then. */
async function passLeadership(lab: Lab, isWell: (leader: string) => boolean, what: string): Promise<void> {
  for (let attempt = 1; attempt <= 8; attempt += 1) {
    await pollUntil({ what: 'every ZooKeeper server in service', timeoutMs: 30_000, intervalMs: 200 }, async () => {
      return (await zooKeeperModes(lab)).every(({ mode }) => mode !== undefined)
    })
    const leader = await zooKeeperLeader(lab)
    if (isWell(leader)) return
    // Stopped until the others have elected one of them: a quick restart may be elected again.
    await lab.host(leader).service('zookeeper', 'stop')
    await zooKeeperLeader(lab)
    await lab.host(leader).service('zookeeper', 'start')
  }
  throw new Error(`ZooKeeper's leader did not come to be ${what}`)
}

/** Sees to it that a host carries ZooKeeper's leader. A server with a higher number is preferred by the others. */
export function leadAt(lab: Lab, host: string): Promise<void> {
  return passLeadership(lab, (leader) => leader === host, `at ${host}`)
}

/** Sees to it that a host does not carry ZooKeeper's leader: its death is noticed some seconds later then. */
export function leadElsewhere(lab: Lab, host: string): Promise<void> {
  return passLeadership(lab, (leader) => leader !== host, `elsewhere than at ${host}`)
}
