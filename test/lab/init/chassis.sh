#!/bin/bash
# chassis.sh LAB HOST MC get|set|check PARAM [VALUE]...    what ipmi_sim runs for a chassis command
# Switches beside the BMC's files: lie (says yes, does nothing), pretend (as lie, and says that the power is off), fail
# (error), slow (acts after 3 s, when ipmitool has given up), reset (turns the host on again at once). Without them it
# answers in well under a second, as ipmitool expects.
for fd in 3 4 5 6 7 8 9 10 11 12 13 14 15; do eval "exec $fd>&-"; done
lab=$1 host=$2
shift 2
case $1 in 0x*) shift ;; esac
here=$(dirname "$(readlink -f "$0")")
switches=$lab/bmc/$host
power() { "$here/power.sh" "$lab" "$host" "$1" </dev/null; }
[ -e "$switches/slow" ] && sleep 3
operation=$1
shift
case $operation in
get)
  for parameter; do
    case $parameter in
    power) if [ ! -e "$switches/pretend" ] && [ "$(power status)" = on ]; then echo power:1; else echo power:0; fi ;;
    boot) echo boot:default ;;
    *) exit 1 ;;
    esac
  done
  ;;
set)
  [ -e "$switches/fail" ] && exit 1
  { [ -e "$switches/lie" ] || [ -e "$switches/pretend" ]; } && exit 0
  while [ $# -ge 2 ]; do
    case $1=$2 in
    power=0) if [ -e "$switches/reset" ]; then power reset; else power off; fi ;;
    power=*) power on ;;
    reset=*) power reset ;;
    shutdown=*) power off ;;
    esac >>"$switches/chassis.log" 2>&1 || exit 1
    shift 2
  done
  ;;
esac
exit 0
