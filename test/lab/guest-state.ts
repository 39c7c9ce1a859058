/** What libvirt and QEMU say of every guest, for whoever looks at a failed story later. */
import type { Lab } from './lab.ts'

const QUESTIONS: readonly (readonly string[])[] = [
  ['virsh', 'domstate', 'GUEST', '--reason'],
  ['virsh', 'qemu-monitor-command', '--hmp', 'GUEST', 'info status'],
  ['virsh', 'qemu-monitor-command', '--hmp', 'GUEST', 'info cpus'],
  ['virsh', 'qemu-monitor-command', '--hmp', 'GUEST', 'info blockstats'],
  ['ps', '-L', '-o', 'pid,tid,pcpu,stat,time,wchan:24,comm', '-C', 'qemu-system-x86_64'],
]

/** Answers of all hosts that are on; a question without an answer is part of what there is to see. */
export async function guestState(lab: Lab): Promise<string> {
  const parts: string[] = []
  for (const host of lab.hosts) {
    if (!(await host.isOn())) {
      parts.push(`${host.name} is off`)
      continue
    }
    const options = { allowFailure: true, timeoutMs: 5000 }
    const { stdout } = await host.sh(['virsh', '-q', 'list', '--all', '--name'], options)
    for (const guest of stdout.split('\n').filter((line) => line !== '')) {
      for (const question of QUESTIONS) {
        const argv = question.map((word) => (word === 'GUEST' ? guest : word))
        const answer = await host.sh(argv, options)
        parts.push(`${host.name} $ ${argv.join(' ')}`, answer.stdout, answer.stderr)
      }
    }
  }
  return `${parts.filter((part) => part !== '').join('\n')}\n`
}
