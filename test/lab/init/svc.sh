#!/bin/bash
# svc status | svc start|stop|restart|kill|pause|resume NAME...    services of this lab namespace (see init.sh)
#   stop: SIGTERM, after SVC_STOP_S (10) seconds SIGKILL; returns when it is down. kill: SIGKILL, then restarted by init.
set -u
deadline=${SVC_STOP_S:-10}
now() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
[ -p /run/.never ] || { echo 'svc: not inside a lab namespace' >&2; exit 2; }
exec 8<>/run/.never
nap() { read -r -t "$1" -u 8; return 0; }
known() { [ -d "/run/svc/$1" ] || { echo "svc: no service $1 here; there are: $(ls /run/svc | tr '\n' ' ')" >&2; exit 2; }; }
# Sets state and pid from the supervisor's file; empty while it is being rewritten.
look() { state= pid=; read -r state pid _ 2>/dev/null <"/run/svc/$1/state"; }

start() {
  rm -f "/run/svc/$1/down"
  echo go >"/run/svc/$1/ctl"
  local end=$(($(now) + 5000))
  until look "$1"; [ "$state" = up ]; do
    [ "$(now)" -lt "$end" ] || { echo "svc: $1 did not start; see its log" >&2; exit 1; }
    nap 0.02
  done
}
stop() {
  : >"/run/svc/$1/down"
  echo go >"/run/svc/$1/ctl" # ends a wait between two tries
  local term= killed= end=$(($(now) + deadline * 1000)) give_up=$(($(now) + deadline * 1000 + 5000))
  until look "$1"; [ "$state" = down ]; do
    if [ "$state" = up ] && [ "$pid" != "$term" ]; then kill -TERM "$pid" 2>/dev/null; term=$pid; fi
    if [ "$state" = up ] && [ "$(now)" -ge "$end" ] && [ "$pid" != "$killed" ]; then
      echo "svc: $1 did not stop within $deadline s, killed" >&2
      kill -KILL "$pid"; killed=$pid
    fi
    [ "$(now)" -lt "$give_up" ] || { echo "svc: $1 does not stop" >&2; exit 1; }
    nap 0.02
  done
}
sig() {
  look "$1"
  [ "$state" = up ] || { echo "svc: $1 is not running" >&2; exit 1; }
  kill "-$2" "$pid" || exit 1
  [ "$2" = KILL ] || return 0
  local killed=$pid end=$(($(now) + 5000))
  while look "$1"; [ "$state $pid" = "up $killed" ]; do
    [ "$(now)" -lt "$end" ] || { echo "svc: $1 survives SIGKILL" >&2; exit 1; }
    nap 0.01
  done
}
case ${1:-status} in
status)
  for d in /run/svc/*/; do
    svc=$(basename "$d")
    look "$svc"
    printf '%s\t%s\t%s\t%s\n' "$svc" "${state:-?}" "${pid:--}" "$(<"$d/restarts")"
  done
  ;;
start | stop) action=$1; shift; for s; do known "$s"; "$action" "$s"; done ;;
restart) shift; for s; do known "$s"; stop "$s"; start "$s"; done ;;
kill) shift; for s; do known "$s"; sig "$s" KILL; done ;;
pause) shift; for s; do known "$s"; sig "$s" STOP; done ;;
resume) shift; for s; do known "$s"; sig "$s" CONT; done ;;
*) sed -n 2,3p "$0" >&2; exit 2 ;;
esac
exit 0
