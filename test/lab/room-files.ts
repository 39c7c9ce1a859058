/** The machine room: switches, DHCP for guests, one BMC per host, and the router outside. */
import { join } from 'node:path'
import { outsideRouter, roomRoutes } from './guest-network-files.ts'
import { put, putService } from './host-files.ts'
import { bmcAddress, bmcLogin, hostName, labSourceDir, networkNames, networks, roomAddress } from './plan.ts'

function bootScript(hosts: number): string {
  const bridges = networkNames.map((name, i) => {
    const { bridge } = networks[name]
    return `link add ${bridge} address 02:90:00:00:0${i}:fe type bridge
addr add ${roomAddress(name)}/24 dev ${bridge}
link set ${bridge} up`
  })
  const bmcs = Array.from({ length: hosts }, (_, i) => `addr add ${bmcAddress(i + 1)}/24 dev ${networks.bmc.bridge}`)
  return `# switches of the lab, run by init
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
for f in iptables ip6tables arptables; do sysctl -qw net.bridge.bridge-nf-call-$f=0 2>/dev/null; done
ip -batch - <<LINKS
link set lo up
${[...bridges, ...bmcs, roomRoutes].join('\n')}
LINKS
`
}

function lanConfig(dir: string, index: number, password: string): string {
  const name = hostName(index)
  return `name "${name}"
set_working_mc 0x20
  startlan 1
    addr ${bmcAddress(index)} 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcd0${index}
  endlan
  chassis_control "${join(labSourceDir, 'init/chassis.sh')} ${dir} ${name} 0x20"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "${bmcLogin.user}" "${password}" admin 10 none md2 md5 straight
`
}

function putBmc(dir: string, index: number): void {
  const name = hostName(index)
  const own = join(dir, 'bmc', name)
  put(join(own, 'lan.conf'), lanConfig(dir, index, bmcLogin.password))
  put(join(own, 'lan-other.conf'), lanConfig(dir, index, 'another-password'))
  put(
    join(own, 'mc.emu'),
    'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\nmc_enable 0x20\n',
  )
  put(join(own, 'state', '.keep'), '')
  const files = `-f ${join(own, 'mc.emu')} -s ${join(own, 'state')}`
  const choice = `conf=lan; [ -e ${join(own, 'wrong-password')} ] && conf=lan-other`
  putService(join(dir, 'root'), `bmc-${name}`, `${choice}\nexec ipmi_sim -n -p -c ${own}/$conf.conf ${files}`)
}

/** Writes the machine room's files into the instance folder `dir`. */
export function writeRoomFiles(dir: string, hosts: number): void {
  const room = join(dir, 'root')
  put(join(room, 'boot.sh'), bootScript(hosts))
  const leases = join(room, 'dhcp.leases')
  const { prefix, bridge } = networks.cluster
  putService(
    room,
    'dhcp',
    `exec dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --log-facility=- --log-dhcp --port=0 --no-resolv \\
  --no-hosts --no-ping --bind-interfaces --interface=${bridge} --except-interface=lo --pid-file= \\
  --dhcp-range=${prefix}.100,${prefix}.199,255.255.255.0,12h --dhcp-leasefile=${leases}`,
  )
  for (const [name, { config, command }] of Object.entries(outsideRouter(join(room, 'outside')))) {
    put(join(room, 'outside', `${name}.conf`), config)
    putService(room, `outside-${name}`, command)
  }
  const watchdog = join(labSourceDir, 'init/watchdog.sh')
  for (let index = 1; index <= hosts; index++) {
    putBmc(dir, index)
    putService(room, `watchdog-${hostName(index)}`, `exec bash ${watchdog} ${dir} ${hostName(index)}`)
  }
}
