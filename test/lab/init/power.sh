#!/bin/bash
# power.sh LAB HOST on|off|crash|reset|status    the power switch of one host; runs in the lab's machine room
#   off: the cables go first (peers see silence, not closed connections), then the machine, at once.
#   crash: the machine dies, its cables stay: the kernel's last packets still get out. reset: off, then on.
# LAB = the instance's folder, with hosts/HOST and the file binds (paths to show in the host). Returns before the host
# has booted: its file `ready` tells.
set -u
lab=$1 host=$2 action=$3
dir=$lab/hosts/$host
here=$(dirname "$(readlink -f "$0")")
exec 7>"$dir/power.lock"
flock -w 20 7 || { echo "power of $host is busy" >&2; exit 1; }
mkfifo -m 600 "/run/.power.$$" && exec 8<>"/run/.power.$$" && rm "/run/.power.$$"
nap() { read -r -t 0.01 -u 8; return 0; }

# The host's first process if it lives; the start time guards against a reused PID.
alive() {
  read -r pid start 2>/dev/null <"$dir/pid" || return 1
  read -ra stat 2>/dev/null </proc/"$pid"/stat || return 1
  [ "${stat[21]}" = "$start" ]
}
links() { ls "$dir/links"; }
off() {
  [ "$1" = crash ] || for net in $(links); do ip link del "$host-$net" 2>/dev/null; done
  if alive; then
    kill -KILL "$pid"
    for _ in $(seq 500); do alive || break; nap; done
    alive && { echo "$host does not die" >&2; return 1; }
  fi
  # Without power the watchdog does not count. Only now: the guard would start it again with its next feed.
  [ ! -p "$dir/watchdog" ] || printf V 1<>"$dir/watchdog"
  rm -f "$dir/pid" "$dir/ready"
  for net in $(links); do ip link del "$host-$net" 2>/dev/null; done
  return 0
}
on() {
  alive && return 0
  off clean
  # Inherited descriptors would keep the BMC's sockets, and our lock, open for the host's whole life.
  setsid env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 unshare --net --mount --uts --ipc --pid --fork --kill-child \
    bash "$here/init.sh" "$host" "$dir" $(<"$lab/binds") </dev/null >>"$dir/log/init.log" 2>&1 7>&- 8>&- &
  for _ in $(seq 500); do alive && break; nap; done
  alive || { echo "$host does not boot, see $dir/log/init.log" >&2; return 1; }
  # links/NET holds "DEVICE MAC BRIDGE"; isolated/NET = the cable is out.
  for net in $(links); do
    read -r device mac bridge <"$dir/links/$net"
    echo "link add $host-$net type veth peer name $device address $mac netns $pid"
    echo "link set $host-$net master $bridge $([ -e "$dir/isolated/$net" ] && echo down || echo up)"
  done | ip -batch - || return 1
}
echo "$EPOCHREALTIME $action" >>"$dir/log/power.log"
case $action in
on) on ;;
off) off off ;;
crash) off crash ;;
reset) off off && on ;;
status) if alive; then echo on; else echo off; fi ;;
*) sed -n 2,4p "$0" >&2; exit 2 ;;
esac
