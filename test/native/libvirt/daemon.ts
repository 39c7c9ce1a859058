import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/**
 * A libvirtd of its own, in namespaces of its own (mount, pid, network), with the QEMU driver on plain emulation. Nothing
 * of the machine's libvirt is touched; everything in there dies with this process.
 */
export class PrivateLibvirtd {
  readonly folder: string
  readonly #shell: ChildProcess
  readonly #answers: AsyncIterator<string>

  private constructor(folder: string, shell: ChildProcess) {
    this.folder = folder
    this.#shell = shell
    if (!shell.stdout) throw new Error('the shell has no output')
    this.#answers = createInterface(shell.stdout)[Symbol.asyncIterator]()
  }

  /** Namespaces and configuration; libvirtd itself is started by {@link start}. Needs root. */
  static async create(number = 1): Promise<PrivateLibvirtd> {
    const folder = mkdtempSync(join(tmpdir(), 'pvc-libvirtd-'))
    mkdirSync(join(folder, 'etc'))
    const put = (name: string, text: string) => writeFileSync(join(folder, 'etc', name), text)
    put(
      'libvirtd.conf',
      `listen_tls = 0
unix_sock_dir = "${folder}"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "7f0c9a2e-3d5b-4c1d-9e8f-0000000000${number.toString().padStart(2, '0')}"
log_outputs = "3:file:${folder}/libvirtd.log"
`,
    )
    put(
      'qemu.conf',
      `security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`,
    )
    // libvirtd insists on its users even when they are not used.
    put('passwd', `${readFileSync('/etc/passwd', 'utf8')}libvirt-qemu:x:64055:64055::/:/bin/false\n`)
    put('group', `${readFileSync('/etc/group', 'utf8')}libvirt-qemu:x:64055:\nkvm:x:64056:\n`)
    writeFileSync(
      join(folder, 'init'),
      `set -e
mount -t proc proc /proc
for place in /run /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
  mkdir -p $place
  mount -t tmpfs tmpfs $place
done
# Console locks go there.
mkdir /run/lock
# A /dev without kvm: plain emulation everywhere, and no probing of KVM at every start.
dev=${folder}/dev
mkdir $dev
mount -t tmpfs tmpfs $dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty $dev/
mkdir $dev/pts $dev/shm
ln -s pts/ptmx $dev/ptmx
ln -s /proc/self/fd $dev/fd
mount --bind $dev /dev
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount --bind ${folder}/etc/passwd /etc/passwd
mount --bind ${folder}/etc/group /etc/group
cp ${folder}/etc/libvirtd.conf ${folder}/etc/qemu.conf /etc/libvirt/
set +e
# Bash as the first process: it reaps what libvirtd leaves behind, and ends, with all the rest, when its input does.
while read -r line; do eval "$line"; done
`,
    )
    const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child']
    const complaints = openSync(join(folder, 'complaints'), 'w')
    const shell = spawn('unshare', [...namespaces, 'bash', join(folder, 'init')], {
      stdio: ['pipe', 'pipe', complaints],
    })
    closeSync(complaints)
    return new PrivateLibvirtd(folder, shell)
  }

  get socket(): string {
    return join(this.folder, 'libvirt-sock')
  }
  /** `qemu:///system` or, with `test:///default`, libvirt's test driver behind a real daemon. */
  uri(driver: 'qemu:///system' | 'test:///default' = 'qemu:///system'): string {
    return `${driver.replace(':', '+unix:')}?socket=${this.socket}`
  }

  /** Runs one line of bash inside; resolves to what it printed, which is one line. */
  async sh(line: string): Promise<string> {
    this.#shell.stdin?.write(`echo $(${line})\n`)
    const answer = await this.#answers.next()
    if (answer.done)
      throw new Error(`the namespace ended at: ${line}\n${readFileSync(join(this.folder, 'complaints'), 'utf8')}`)
    return answer.value
  }

  /** Starts libvirtd; its socket may take a moment. */
  async start(): Promise<void> {
    this.#shell.stdin?.write(
      `rm -f ${this.folder}/libvirt*-sock* /run/libvirtd.pid; libvirtd >${this.folder}/out 2>&1 & daemon=$!\n`,
    )
    await this.sh('true')
  }
  /** Sends a signal to libvirtd, not to its guests. */
  async kill(signal: 'KILL' | 'STOP' | 'CONT'): Promise<void> {
    await this.sh(`kill -${signal} $daemon`)
  }
  log(): string {
    return readFileSync(join(this.folder, 'libvirtd.log'), 'utf8')
  }

  /** Ends libvirtd and every guest. */
  async destroy(): Promise<void> {
    const ended = once(this.#shell, 'close')
    this.#shell.stdin?.end()
    await ended
    rmSync(this.folder, { recursive: true })
  }
}
