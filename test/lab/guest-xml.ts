/** The libvirt XML of a lab guest. */
import type { GuestImage } from './guest.ts'
import { secretUuid } from './plan.ts'

/** `no_timer_check`: the emulated timer of a busy machine fails the kernel's test at times, and the boot would hang there. */
const KERNEL_ARGUMENTS = 'console=ttyS0 quiet panic=1 no_timer_check'

/** What differs between guests; everything else is fixed. */
export type GuestOptions = {
  name: string
  uuid: string
  /** `pool/volume` of /dev/vda. */
  volume: string
  /** Addresses of Ceph's monitors. */
  monitors: readonly string[]
  image: GuestImage
  /** Default 96: below that the kernel does not boot. */
  memoryMiB?: number
  vcpus?: number
  machine?: 'q35' | 'pc'
  /** With the QEMU guest agent and its channel; boots about a second slower. */
  agent?: boolean
  /** What QEMU does on an I/O error: stop (pause, default) or report (to the guest). */
  errorPolicy?: 'stop' | 'report'
  /** Without: no network card. Default br0, where the lab's DHCP answers. */
  bridge?: string | undefined
  /** Instead of `bridge`: a network card on each of these. */
  bridges?: readonly string[]
}

/** MAC address of a guest's network card, made from its UUID. */
export function guestMac(uuid: string, card = 0): string {
  const digits = uuid.replaceAll('-', '').slice(-6)
  return `52:54:${String(card).padStart(2, '0')}:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`
}

/** Where libvirt writes the guest's serial console, inside its host. */
export function serialLogPath(name: string): string {
  return `/var/log/libvirt/qemu/${name}-serial.log`
}

function controllers(machine: 'q35' | 'pc'): string {
  if (machine === 'pc') return ''
  // Hotplug on q35 needs free root ports, and only those defined before the start count.
  const ports = Array.from({ length: 10 }, (_, i) => `<controller type='pci' index='${i + 1}' model='pcie-root-port'/>`)
  return `<controller type='pci' index='0' model='pcie-root'/>${ports.join('')}`
}

/** Domain XML for `pvc vm define` or `virsh define`; emulated CPU (type qemu), disk on RBD, console into a log file. */
export function guestXml(options: GuestOptions): string {
  const { name, uuid, volume, image, memoryMiB = 96, vcpus = 1, machine = 'q35', agent = false } = options
  const { errorPolicy = 'stop' } = options
  const bridge = 'bridge' in options ? options.bridge : 'br0'
  const bridges = options.bridges ?? (bridge === undefined ? [] : [bridge])
  const hosts = options.monitors.map((address) => `<host name='${address}' port='6789'/>`).join('')
  const channel = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`
  const cards = bridges.map(
    (each, index) => `<interface type='bridge'>
      <mac address='${guestMac(uuid, index)}'/><source bridge='${each}'/><model type='virtio'/><rom enabled='no'/>
    </interface>`,
  )
  return `<domain type='qemu'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>${vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='${machine}'>hvm</type>
    <kernel>${image.kernel}</kernel>
    <initrd>${agent ? image.initrdWithAgent : image.initrd}</initrd>
    <cmdline>${KERNEL_ARGUMENTS}</cmdline>
  </os>
  <features><acpi/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/local/bin/qemu-system-x86_64</emulator>
    ${controllers(machine)}
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='writeback' discard='unmap' error_policy='${errorPolicy}' rerror_policy='${errorPolicy}'/>
      <auth username='libvirt'><secret type='ceph' uuid='${secretUuid}'/></auth>
      <source protocol='rbd' name='${volume}'>${hosts}</source>
      <target dev='vda' bus='virtio'/>
    </disk>
    ${cards.join('\n    ')}
    <serial type='pty'><target port='0'/><log file='${serialLogPath(name)}' append='on'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    ${agent ? channel : ''}
    <memballoon model='virtio'/>
  </devices>
</domain>
`
}
