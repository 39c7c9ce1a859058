/** A disk for what a coordinator keeps, which can be stalled as a dying one stalls. */
import { join } from 'node:path'
import { run } from './command.ts'
import { hostPid } from './instance.ts'
import type { Lab } from './lab.ts'

const folders = ['var/lib/zookeeper', 'var/lib/pvc']

/** A file system on a loop device, which the kernel detaches when the host ends. The host's own /dev has no loop devices. */
const MOVE = `set -e
image=$1 disk=/run/own-disk
shift
mknod /dev/loop-control c 10 237
for number in {0..63}; do mknod "/dev/loop$number" b 7 "$number"; done
truncate -s 512M "$image"
mkfs.ext4 -q "$image"
mkdir "$disk"
mount -o loop "$image" "$disk"
for folder; do
  cp -a "/$folder" "$disk/"
  mount --bind "$disk/\${folder##*/}" "/$folder"
done`

/**
 * Moves the data of ZooKeeper and of pvcnoded to a file system of its own; both must be down. The move is lost with the
 * power of the host: do not cut that afterwards.
 */
export async function moveToOwnDisk(lab: Lab, host: string): Promise<void> {
  const image = join(lab.host(host).dir, 'own-disk.img')
  await lab.host(host).sh(['bash', '-c', MOVE, 'move', image, ...folders], { timeoutMs: 30_000 })
}

/** Outside of the lab and deaf to signals: a file system that is frozen when its last mount goes stays so for ever. */
const STALL = `trap '' HUP INT TERM
exec 3<"$1" || exit
fsfreeze --freeze /proc/self/fd/3 || exit
sleep "$2"
fsfreeze --unfreeze /proc/self/fd/3`

/**
 * No write to the host's own disk ends for so long.
 * @returns for how many ms the write waited that waited longest
 */
export async function stallOwnDisk(lab: Lab, host: string, ms: number): Promise<number> {
  const root = `/proc/${lab.instance.pid}/root/proc/${hostPid(lab.instance, lab.host(host).index)}/root`
  const argv = ['bash', '-c', STALL, 'stall', `${root}/${folders[0]}`, String(ms / 1000)]
  let isOver = false
  const stall = run([], argv, { timeoutMs: ms + 60_000 }).finally(() => {
    isOver = true
  })
  const [waited] = await Promise.all([longestWrite(lab, host, () => isOver), stall])
  return waited
}

async function longestWrite(lab: Lab, host: string, isOver: () => boolean): Promise<number> {
  let longestMs = 0
  while (!isOver()) {
    const fromMs = performance.now()
    const words = folders.map((folder) => `echo >>/${folder}/lab-write`).join('; ')
    await lab.host(host).sh(['bash', '-c', words], { timeoutMs: 120_000 })
    longestMs = Math.max(longestMs, performance.now() - fromMs)
  }
  return longestMs
}
