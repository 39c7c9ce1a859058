/**
 * The requests of each command, as recorded from the unmodified older client (version 1.0.3) through a proxy. A server
 * that serves that client serves this one, and the other way round. Where this client means to differ, it says so.
 */
import { describe, expect, it } from 'vitest'
import { networks, node, oldVm, pools, status, volume } from './cluster.ts'
import { runCli } from './pvc-run.ts'

const message = { json: { message: 'Done.' } }
const xml = (text: string) => `\n  [application/x-www-form-urlencoded]\n  | xml=${text}`
const definition = '<domain><memory unit="MiB">2048</memory><vcpu>2</vcpu></domain>'

const routes = {
  'GET /status': { json: status },
  'GET /status/primary_node': { json: { primary_node: 'hv1' } },
  'POST /status': message,
  'GET /node': { json: [node()] },
  'GET /node/hv1': { json: [node()] },
  'POST /node/hv2/coordinator-state': message,
  'POST /node/hv3/domain-state': message,
  'GET /node/hv3/flush': { json: { domain_state: 'flushed', current: true, steps: [] } },
  'GET /network': { json: networks },
  'GET /network/100': { json: networks },
  'GET /network/100/lease': { json: [] },
  'GET /network/100/acl': { json: [] },
  'POST /network': message,
  'PUT /network/900': message,
  'DELETE /network/900': message,
  'GET /network/900/lease': { json: [] },
  'POST /network/900/lease': message,
  'DELETE /network/900/lease/52%3A54%3A00%3Aaa%3Abb%3Acc': message,
  'GET /network/900/acl': { json: [] },
  'POST /network/900/acl': message,
  'DELETE /network/900/acl/allowssh': message,
  'GET /vm': { json: [oldVm()] },
  'POST /vm': message,
  'GET /vm/newvm': { json: [oldVm({ name: 'newvm', xml: definition })] },
  'PUT /vm/newvm': message,
  'DELETE /vm/newvm': message,
  'POST /vm/newvm/meta': message,
  'POST /vm/newvm/state': message,
  'POST /vm/newvm/node': message,
  'POST /vm/newvm/locks': { json: { message: 'Done.', locks: [] } },
  'POST /vm/newvm/tags': message,
  'GET /vm/newvm/tags': { json: { name: 'newvm', tags: [] } },
  'GET /storage/ceph/pool': { json: pools },
  'POST /storage/ceph/pool': message,
  'GET /storage/ceph/volume': { json: [volume('a', '1G')] },
  'POST /storage/ceph/volume': message,
  'PUT /storage/ceph/volume/vms/tvol': message,
  'DELETE /storage/ceph/volume/vms/tvol3': message,
}

const records: readonly (readonly [command: string, ...requests: string[]])[] = [
  ['connection detail', 'GET /status'],
  ['node list', 'GET /node'],
  ['node list hv1', 'GET /node?limit=hv1'],
  [
    'node list -ds run -cs primary -vs ready',
    'GET /node?daemon_state=run&coordinator_state=primary&domain_state=ready',
  ],
  ['node list -f raw', 'GET /node'],
  ['node list -f json', 'GET /node'],
  ['node info hv1', 'GET /node/hv1'],
  ['node info hv1 -f long', 'GET /node/hv1'],
  ['node info hv1 -f json-pretty', 'GET /node/hv1'],
  ['node is-primary hv1', 'GET /status/primary_node'],
  ['node flush hv3', 'POST /node/hv3/domain-state?state=flush'],
  ['node ready hv3', 'POST /node/hv3/domain-state?state=ready'],
  // Differs: the older client asks for the whole node, and ends at once when that has not taken the wish up yet.
  ['node flush hv3 -w', 'POST /node/hv3/domain-state?state=flush', 'GET /node/hv3/flush'],
  ['network list', 'GET /network'],
  ['network list net10', 'GET /network?limit=net10'],
  ['network list -f json', 'GET /network'],
  // Differs: the older client asks for leases and rules also where it does not show them.
  ['network info 100', 'GET /network/100'],
  ['network info 100 -f long', 'GET /network/100', 'GET /network/100/lease?static=False', 'GET /network/100/acl'],
  [
    'network add 900 -d managed900 -p managed -m 1500 -n m900.local --dns-server 10.9.0.2 -i 10.9.0.0/24 -g 10.9.0.1 --dhcp --dhcp-start 10.9.0.100 --dhcp-end 10.9.0.200',
    'POST /network?vni=900&description=managed900&nettype=managed&mtu=1500&domain=m900.local&name_servers=10.9.0.2&ip4_network=10.9.0.0%2F24&ip4_gateway=10.9.0.1&dhcp4=True&dhcp4_start=10.9.0.100&dhcp4_end=10.9.0.200',
  ],
  [
    'network add 901 -d bridged901 -p bridged',
    'POST /network?vni=901&description=bridged901&nettype=bridged&mtu=&dhcp4=False',
  ],
  [
    'network add 902 -d v6 -p managed -i6 fd00:2::/64 -g6 fd00:2::1',
    'POST /network?vni=902&description=v6&nettype=managed&mtu=&ip6_network=fd00%3A2%3A%3A%2F64&ip6_gateway=fd00%3A2%3A%3A1&dhcp4=False',
  ],
  ['network modify 900 -d managed900b -m 1400', 'PUT /network/900?description=managed900b&mtu=1400'],
  ['network modify 900 --no-dhcp', 'PUT /network/900?dhcp4=False'],
  ['network remove 900 -y', 'DELETE /network/900'],
  [
    'network dhcp add 900 10.9.0.50 hosta 52:54:00:aa:bb:cc',
    'POST /network/900/lease?macaddress=52%3A54%3A00%3Aaa%3Abb%3Acc&ipaddress=10.9.0.50&hostname=hosta',
  ],
  ['network dhcp list 900', 'GET /network/900/lease?static=False'],
  ['network dhcp list 100 -s', 'GET /network/100/lease?static=True'],
  ['network dhcp list 100 host1', 'GET /network/100/lease?limit=host1&static=False'],
  ['network dhcp remove 900 52:54:00:aa:bb:cc -y', 'DELETE /network/900/lease/52%3A54%3A00%3Aaa%3Abb%3Acc'],
  [
    'network acl add 900 --in -d allowssh -r accept -o 0',
    'POST /network/900/acl?description=allowssh&direction=in&rule=accept&order=0',
  ],
  ['network acl add 900 --out -d web -r accept', 'POST /network/900/acl?description=web&direction=out&rule=accept'],
  ['network acl list 900', 'GET /network/900/acl'],
  ['network acl list 900 --in', 'GET /network/900/acl?direction=in'],
  ['network acl list 900 --out web', 'GET /network/900/acl?limit=web&direction=out'],
  ['network acl remove 900 allowssh -y', 'DELETE /network/900/acl/allowssh'],
  // Differs: the older client then asks for the task that does it; here it is done.
  ['vm flush-locks newvm', 'POST /vm/newvm/locks'],
  ['vm flush-locks newvm --no-wait', 'POST /vm/newvm/locks'],
  ['vm list', 'GET /vm?negate=False', 'GET /network'],
  ['vm list vm000', 'GET /vm?limit=vm000&negate=False', 'GET /network'],
  ['vm list -t hv1 -s start -g prod', 'GET /vm?node=hv1&state=start&tag=prod&negate=False', 'GET /network'],
  ['vm list -n -g prod', 'GET /vm?tag=prod&negate=True', 'GET /network'],
  ['vm list -f raw', 'GET /vm?negate=False'],
  ['vm list -f json', 'GET /vm?negate=False'],
  ['vm info newvm', 'GET /vm/newvm', 'GET /network'],
  ['vm info newvm -f long', 'GET /vm/newvm', 'GET /network'],
  ['vm info newvm -f json-pretty', 'GET /vm/newvm'],
  ['vm dump newvm', 'GET /vm/newvm'],
  [
    'vm define DIR/newvm.xml',
    `POST /vm?selector=none&autostart=False&migration_method=none&migration_max_downtime=300${xml(definition)}`,
  ],
  [
    'vm define -t hv1 -l hv1,hv2 -s mem -a -m live -d 250 -g tag1 -G ptag DIR/newvm.xml',
    `POST /vm?node=hv1&limit=hv1%2Chv2&selector=mem&autostart=True&migration_method=live&migration_max_downtime=250&user_tags=tag1&protected_tags=ptag${xml(definition)}`,
  ],
  ['vm tag get newvm', 'GET /vm/newvm/tags'],
  ['vm tag add newvm tagx', 'POST /vm/newvm/tags?action=add&tag=tagx&protected=False'],
  ['vm tag add newvm tagp -p', 'POST /vm/newvm/tags?action=add&tag=tagp&protected=True'],
  ['vm tag remove newvm tagx', 'POST /vm/newvm/tags?action=remove&tag=tagx&protected=False'],
  [
    'vm meta newvm -l hv1,hv2 -s memprov -a -m shutdown -d 200 -p default',
    'POST /vm/newvm/meta?limit=hv1%2Chv2&selector=memprov&autostart=True&migration_method=shutdown&migration_max_downtime=200&profile=default',
  ],
  ['vm vcpu get newvm', 'GET /vm/newvm'],
  ['vm vcpu set newvm 4 -R', 'GET /vm/newvm', `PUT /vm/newvm?restart=False${xml(definition.replace('>2<', '>4<'))}`],
  ['vm memory get newvm', 'GET /vm/newvm'],
  [
    'vm memory set newvm 4096 -r -y',
    'GET /vm/newvm',
    `PUT /vm/newvm?restart=True${xml(definition.replace('2048', '4096'))}`,
  ],
  ['vm network get newvm', 'GET /vm/newvm'],
  ['vm volume get newvm', 'GET /vm/newvm'],
  ['vm modify newvm DIR/other.xml -y', 'GET /vm/newvm', `PUT /vm/newvm?restart=False${xml('<domain/>')}`],
  ['vm modify newvm DIR/other.xml -r -y', 'GET /vm/newvm', `PUT /vm/newvm?restart=True${xml('<domain/>')}`],
  ['vm start newvm', 'POST /vm/newvm/state?state=start&force=False&wait=False'],
  ['vm start newvm --force', 'POST /vm/newvm/state?state=start&force=True&wait=False'],
  ['vm restart newvm -y', 'POST /vm/newvm/state?state=restart&force=False&wait=False'],
  ['vm shutdown newvm -y', 'POST /vm/newvm/state?state=shutdown&force=False&wait=False'],
  ['vm stop newvm -y', 'POST /vm/newvm/state?state=stop&force=False&wait=False'],
  ['vm stop newvm --force -y', 'POST /vm/newvm/state?state=stop&force=True&wait=False'],
  ['vm disable newvm -y', 'POST /vm/newvm/state?state=disable&force=False&wait=False'],
  ['vm disable newvm --force -y', 'POST /vm/newvm/state?state=disable&force=True&wait=False'],
  // Differs: the older client sends wait=True and the server holds the request; this one asks until it is done.
  [
    'vm restart newvm -w -y',
    'GET /vm/newvm',
    'POST /vm/newvm/state?state=restart&force=False&wait=False',
    'GET /vm/newvm',
  ],
  ['vm migrate newvm', 'POST /vm/newvm/node?action=migrate&force=false&wait=false&force_live=false'],
  ['vm unmigrate newvm', 'POST /vm/newvm/node?action=unmigrate&force=false&wait=false&force_live=false'],
  [
    'vm migrate newvm -t hv2 -f --force-live',
    'POST /vm/newvm/node?node=hv2&action=migrate&force=true&wait=false&force_live=true',
  ],
  ['vm move newvm -t hv1', 'POST /vm/newvm/node?node=hv1&action=move&force=false&wait=false&force_live=false'],
  // Differs, as above: the older client sends wait=true.
  [
    'vm move newvm -t hv1 -w --force-live',
    'POST /vm/newvm/node?node=hv1&action=move&force=false&wait=false&force_live=true',
    'GET /vm/newvm',
  ],
  ['vm undefine newvm -y', 'DELETE /vm/newvm?delete_disks=False'],
  ['vm remove newvm -y', 'DELETE /vm/newvm?delete_disks=True'],
  ['storage pool list', 'GET /storage/ceph/pool'],
  ['storage pool list vms -f json', 'GET /storage/ceph/pool?limit=vms'],
  [
    'storage pool add tpool 64 -t ssd --replcfg copies=3,mincopies=2',
    'POST /storage/ceph/pool?pool=tpool&pgs=64&replcfg=copies%3D3%2Cmincopies%3D2&tier=ssd',
  ],
  ['storage volume list', 'GET /storage/ceph/volume'],
  ['storage volume list vm0001 -p vms', 'GET /storage/ceph/volume?limit=vm0001&pool=vms'],
  ['storage volume add vms tvol 10G', 'POST /storage/ceph/volume?volume=tvol&pool=vms&size=10G&force=False'],
  ['storage volume add vms tvolf 10G -f', 'POST /storage/ceph/volume?volume=tvolf&pool=vms&size=10G&force=True'],
  ['storage volume resize vms tvol 20G -y', 'PUT /storage/ceph/volume/vms/tvol?new_size=20G&force=False'],
  ['storage volume remove vms tvol3 -y', 'DELETE /storage/ceph/volume/vms/tvol3'],
  ['cluster status', 'GET /status'],
  ['cluster status -f short', 'GET /status'],
  ['cluster status -f json-pretty', 'GET /status'],
  ['node primary hv2', 'POST /node/hv2/coordinator-state?state=primary'],
  ['node secondary hv2', 'POST /node/hv2/coordinator-state?state=secondary'],
  ['cluster maintenance on', 'POST /status?state=true'],
  ['cluster maintenance on --for 2h', 'POST /status?state=true&for=2h'],
  ['cluster maintenance off', 'POST /status?state=false'],
]

describe('requests', () => {
  it.each(records)('pvc %s', async (command, ...requests) => {
    const files = { 'newvm.xml': definition, 'other.xml': '<domain/>' }
    const run = await runCli({ argv: command.split(' '), routes, files })
    expect(run.requests).toEqual(requests)
    expect([run.exitCode, run.stdout === '']).toEqual([0, command.startsWith('node is-primary')])
  })
})
