#!/bin/bash
# watchdog.sh LAB HOST    the watchdog of one host, in the lab's machine room: it survives the host, as hardware does
# A byte written to LAB/hosts/HOST/watchdog starts or feeds it, "V" stops it, 10 s without a byte reset the host. It
# cannot be asked for its time-out: selfFence.watchdog.fixedTimeoutS says it.
set -u
lab=$1 host=$2
here=$(dirname "$(readlink -f "$0")")
fifo=$lab/hosts/$host/watchdog
[ -p "$fifo" ] || mkfifo -m 600 "$fifo" || exit 1
exec 3<>"$fifo"
while :; do
  read -r -N 1 -u 3 byte
  while [ "$byte" != V ]; do
    read -r -N 1 -t 10 -u 3 byte && continue
    echo "$EPOCHREALTIME $host was not fed for 10 s: reset"
    "$here/power.sh" "$lab" "$host" reset </dev/null
    break
  done
done
