import type { VmStatus } from '../../model/domain.ts'

/** VNC address in a live domain XML as libvirt prints it, or null when the domain has none. */
export function vncOf(xml: string): VmStatus['vnc'] {
  const graphics = /<graphics\s[^>]*type=['"]vnc['"][^>]*>/.exec(xml)?.[0]
  if (graphics === undefined) return null
  const port = Number(/\sport=['"](-?\d+)['"]/.exec(graphics)?.[1] ?? '-1')
  const listen = /\slisten=['"]([^'"]+)['"]/.exec(graphics)?.[1] ?? '127.0.0.1'
  return port > 0 ? { listen, port } : null
}
