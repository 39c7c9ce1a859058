#!/bin/bash
# PID 1 of a lab namespace: private mounts, network, then services, restarted as systemd would.
#   init.sh NAME DIR [BIND...]     NAME = root (the machine room: switch, Ceph, BMCs) or a host's name
# DIR holds: boot.sh (network), svc/*/run (services; svc/*/enabled = start at boot), log/, and for hosts binds (folders
# below DIR/fs that are mounted at the same path) and files/ (copied into the host's root). BIND = paths that stay
# visible in a host, where everything else it writes is private to it.
# Killing this process is a power cut: the kernel then kills everything in the PID namespace.
set -u
name=$1 dir=$2
shift 2
here=$(dirname "$(readlink -f "$0")")

# The old /proc is still mounted, so this is our PID as those outside see it; with the start time it cannot be confused
# with a later process.
read -ra stat </proc/self/stat
fail() {
  echo "init of $name: $*" >&2
  exit 1
}

mount --make-rprivate / || fail 'cannot make mounts private'
new=
if [ "$name" = root ]; then
  # Private /run: named network namespaces, sockets and pid files of the machine are neither seen nor touched.
  mount -t tmpfs -o mode=755 run /run || fail 'no tmpfs on /run'
else
  # A host gets the machine's files read-only below a writable layer of its own, which lives in the lab's memory and so
  # survives its power cuts.
  layer=/run/lab/$name
  mkdir -p "$layer"/{upper,work,root}
  new=$layer/root
  mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" overlay "$new" || fail 'no overlay'
  mount -t tmpfs -o mode=755 run "$new/run"
  for path in "$dir" "$@"; do
    mkdir -p "$new$path"
    [ "$(realpath "$new$path")" = "$new$path" ] || fail "$path is reached by a link"
    mount --rbind "$path" "$new$path" || fail "cannot show $path"
  done
  while read -r path; do
    mkdir -p "$new/$path" "$dir/fs/$path"
    # A link on the way would lead the mount out of the host's root, and the host would see the machine's folder.
    [ "$(realpath "$new/$path")" = "$new/$path" ] || fail "$path is reached by a link"
    mount --bind "$dir/fs/$path" "$new/$path" || fail "cannot bind $path"
  done <"$dir/binds"
  mount --bind "$dir/log" "$new/var/log" || fail 'cannot bind var/log'
  cp -a "$dir/files/." "$new/"
fi

# /dev without kvm: opening it hangs on machines without nested virtualisation, and libvirt probes it.
mount -t tmpfs -o mode=755,size=1m dev "$new/dev"
mknod -m 666 "$new/dev/null" c 1 3
mknod -m 666 "$new/dev/zero" c 1 5
mknod -m 666 "$new/dev/full" c 1 7
mknod -m 666 "$new/dev/random" c 1 8
mknod -m 666 "$new/dev/urandom" c 1 9
mknod -m 666 "$new/dev/tty" c 5 0
mkdir -p "$new"/dev/{net,pts,shm,mapper}
mknod -m 666 "$new/dev/net/tun" c 10 200
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$new/dev/pts"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
ln -s fd/0 "$new/dev/stdin"
ln -s fd/1 "$new/dev/stdout"
ln -s fd/2 "$new/dev/stderr"
mount -t tmpfs -o mode=1777 shm "$new/dev/shm"
mount -t proc proc "$new/proc" || fail 'no proc'
# A fresh sysfs shows this network namespace's devices, and no cgroups: libvirt runs without them.
mount -t sysfs sysfs "$new/sys" || fail 'no sysfs'

if [ -n "$new" ]; then
  # Each boot of a host has its own boot id, as on metal; daemons tell a reboot from a restart by it.
  cat /proc/sys/kernel/random/uuid >"$dir/boot_id"
  mount --bind "$dir/boot_id" "$new/proc/sys/kernel/random/boot_id"
  cd "$new" && mkdir -p .old && pivot_root . .old || fail 'cannot change root'
  cd / && umount -l /.old && rmdir /.old
fi
hostname "$name"
mkdir -p /run/{lock,svc,ceph,libvirt,pvc}
mkfifo /run/.never
exec 8<>/run/.never # nobody writes to it: a read with a time-out is a nap that forks nothing
nap() { read -r -t "$1" -u 8; return 0; }

# The folder may be gone: whoever started us has been interrupted.
echo "${stat[0]} ${stat[21]}" >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid" || fail 'no place for the pid'
# shellcheck disable=SC1091
. "$dir/boot.sh" || fail 'boot.sh failed'

# One subshell per service. state: "up PID", "wait" (between two tries) or "down". svc talks to it through down + ctl.
supervise() {
  local svc=$1 d=/run/svc/$1 pid rc
  exec 9<>"$d/ctl"
  while :; do
    if [ -e "$d/down" ]; then
      echo down >"$d/state"
      read -r -u 9
      continue
    fi
    bash "$dir/svc/$svc/run" </dev/null >>"$log/$svc.log" 2>&1 8>&- 9>&- &
    pid=$!
    echo "up $pid $EPOCHREALTIME" >"$d/state"
    wait "$pid"
    rc=$?
    echo wait >"$d/state"
    echo "$EPOCHREALTIME $svc ($pid) ended with $rc" >>"$log/svc.log"
    echo $(($(<"$d/restarts") + 1)) >"$d/restarts"
    # Restart=always, RestartSec=500ms, no start limit: as the shipped units.
    [ -e "$d/down" ] || read -r -t 0.5 -u 9
  done
}
log=/var/log/pvc
[ "$name" = root ] && log=$dir/log
mkdir -p "$log"
for run in "$dir"/svc/*/run; do
  [ -e "$run" ] || continue
  svc=$(basename "$(dirname "$run")")
  mkdir "/run/svc/$svc" && mkfifo "/run/svc/$svc/ctl" && echo 0 >"/run/svc/$svc/restarts"
  [ -e "$dir/svc/$svc/enabled" ] || : >"/run/svc/$svc/down"
  supervise "$svc" &
done
[ "$name" = root ] || cp "$here/svc.sh" /usr/local/bin/svc
: >"$dir/ready"
# bash as PID 1 reaps whatever is re-parented to it (QEMU, libvirtd's children). A lab whose folder was removed has lost
# its owner: it ends too, so that nothing can be orphaned.
while [ -e "$dir/pid" ]; do nap 2; done
