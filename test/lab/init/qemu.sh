#!/bin/sh
# QEMU for lab guests, with 8 KiB more memory than asked for.
# Before 9.0, QEMU without KVM loses stores of a guest that is moved live: where a memory block is a multiple of 256 KiB,
# the fast path of cpu_physical_memory_sync_dirty_bitmap() clears dirty bits and leaves the processor's TLB as it was, so
# later stores are not noticed. A block of another size takes the slow path, which is right.
for word; do
  case $before$word in
  -m[0-9]*) word=$((word * 1024 + 8))k ;;
  '{"qom-type":"memory-backend-ram"'*'"id":"pc.ram"'*)
    bytes=${word##*'"size":'}
    bytes=${bytes%'}'}
    word="${word%'"size":'*}\"size\":$((bytes + 8192))}"
    ;;
  esac
  before=
  [ "$word" != -m ] || before=-m
  set -- "$@" "$word"
  shift
done
exec /usr/bin/qemu-system-x86_64 "$@"
