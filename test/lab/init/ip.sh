#!/bin/bash
# `ip` of a lab host, first in its PATH: the lab's kernel has no 802.1Q, so VLAN devices are made in user space by
# ip-vlan.py, and shown as VLAN devices. All else goes to the real one.
real=/usr/sbin/ip
case " $* " in
*' -batch - '*)
  IFS= read -r -d '' batch
  case $batch in
  *' type vlan '*) exec python3 LAB_INIT/ip-vlan.py "$@" <<<"$batch" ;;
  esac
  exec "$real" "$@" <<<"$batch"
  ;;
*' -json -details '*)
  for vlan in /run/vlan/*; do [ ! -e "$vlan" ] || exec python3 LAB_INIT/ip-vlan.py "$@"; done
  ;;
esac
exec "$real" "$@"
