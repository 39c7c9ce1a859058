/** Steps of the story of services: what guests are told about themselves, and what cloud-init makes of it. */
import { askAsCloudInit } from './cloud-init.ts'
import { guestMac } from './guest-xml.ts'
import type { Host } from './host.ts'
import { inGuest } from './in-guest.ts'
import type { Lab } from './lab.ts'
import { defineGuest, type MovedGuest } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { BRIDGE, DOMAIN, GUEST, HOME, VNI } from './services-ground.ts'
import { expectThat, type StoryStep } from './story.ts'

/** Asks the metadata service from a guest. */
export async function metadataOf(host: Host, vm: string, path: string): Promise<string> {
  // Not wget: the guest's busybox is static and looks no names up. The sending side stays open until the answer is here.
  const script = `(printf 'GET /${path} HTTP/1.0\\r\\n\\r\\n'; sleep 1) | busybox nc -w 3 169.254.169.254 80`
  const { stdout, stderr } = await inGuest(host, vm, script)
  const [head = '', ...body] = stdout.split('\r\n\r\n')
  const status = head.split('\r\n')[0] ?? ''
  return status.includes(' 200 ') ? body.join('').trim() : status || stderr
}

function askMetadata(lab: Lab, path: string): Promise<string> {
  return metadataOf(lab.host(HOME), GUEST.name, path)
}

export const metadata: StoryStep = {
  title: 'the guest learns who it is; with the address of another it learns nothing',
  async run(lab) {
    const id = await askMetadata(lab, 'latest/meta-data/instance-id')
    expectThat(id === GUEST.uuid, `instance-id is '${id}'`)
    const shared = lab.sharedFile('profile-data', '#cloud-config\nhostname: anybody\n')
    await lab.pvc(['-q', 'provisioner', 'userdata', 'add', 'anybody', shared])
    await lab.pvc(['-q', 'provisioner', 'profile', 'add', 'shoppers', '-u', 'anybody'])
    await lab.pvc(['-q', 'vm', 'meta', GUEST.name, '--profile', 'shoppers'])
    await pollUntil({ what: 'the user data of its profile', timeoutMs: 5000 }, async () =>
      (await askMetadata(lab, 'latest/user-data')).includes('anybody'),
    )
    const script = lab.sharedFile('user-data', '#cloud-config\nhostname: shopper\n')
    await lab.pvc(['-q', 'vm', 'meta', GUEST.name, '--user-data', script])
    const data = await pollUntil({ what: 'the user data', timeoutMs: 5000 }, async () => {
      const text = await askMetadata(lab, 'latest/user-data')
      return text.includes('shopper') && text
    })
    // The address of a reservation that belongs to somebody else.
    await lab.pvc(['-q', 'network', 'dhcp', 'add', VNI, '10.100.10.50', 'other', '52:54:00:00:10:50'])
    const steal =
      'ip addr add 10.100.10.50/32 dev eth0; ip route add 169.254.169.254 dev eth0 via 10.100.10.1 src 10.100.10.50'
    await inGuest(lab.host(HOME), GUEST.name, steal)
    const stolen = await askMetadata(lab, 'latest/meta-data/instance-id')
    await inGuest(lab.host(HOME), GUEST.name, 'ip route del 169.254.169.254; ip addr del 10.100.10.50/32 dev eth0')
    expectThat(stolen.includes('404'), `with a stolen address the guest was told '${stolen}'`)
    return `${id}, ${data.length} characters of user data; with the address of another: ${stolen.split('\n').at(-1)}`
  },
}

/** Defined and never started: its card is on a namespace in which cloud-init runs, for which the tiny guest has no Python. */
const SEEDED: MovedGuest = { name: 'seeded', uuid: '5f2b1d56-1f5c-4f5f-9a43-0000000a1002' }
const USER_DATA = `#cloud-config
users:
  - name: operator
    ssh_authorized_keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI2cm4K operator']
package_update: false
runcmd:
  - [touch, /run/seeded]
`

export const cloudInit: StoryStep = {
  title: 'cloud-init itself understands what it is told, as NoCloud and as EC2',
  async run(lab) {
    await defineGuest(lab, SEEDED, HOME, [], { bridge: BRIDGE })
    await lab.pvc(['-q', 'vm', 'meta', SEEDED.name, '--user-data', lab.sharedFile('seeded-user-data', USER_DATA)])
    const mac = guestMac(SEEDED.uuid)
    const view = await askAsCloudInit(lab.host(HOME), { bridge: BRIDGE, mac })
    await lab.pvc(['-q', 'vm', 'remove', '-y', SEEDED.name])
    for (const source of ['nocloud', 'ec2'] as const) {
      const { instanceId, hostname, userData } = view[source]
      expectThat(instanceId === SEEDED.uuid, `${source}: instance-id is ${instanceId}`)
      expectThat(hostname === `${SEEDED.name}.${DOMAIN}`, `${source}: the host name is ${hostname}`)
      expectThat(userData.trim() === USER_DATA.trim(), `${source}: the user data is ${userData}`)
    }
    const card = { dhcp4: true, dhcp6: true, match: { macaddress: mac } }
    const networks = JSON.stringify(view.network)
    expectThat(networks === JSON.stringify({ guest0: card }), `the network is ${networks}`)
    const fromEc2 = JSON.stringify(view.ec2Network)
    expectThat(fromEc2.includes(mac) && fromEc2.includes('"dhcp4":true'), `by EC2 the network is ${fromEc2}`)
    return `cloud-init ${view.version}: ${view.nocloud.hostname}, its user data valid, its network ${networks}`
  },
}
