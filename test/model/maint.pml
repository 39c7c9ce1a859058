/*
 * Maintenance (I5): a primary that looks and then acts, and a deposed one that still acts.
 * F_ACK: the API answers "on" only after the primary of the current epoch has acknowledged this version of the flag;
 *        a primary acks only with no irreversible command in flight; commands carry a deadline below the lease hand-over
 *        (a command of epoch e has ended before epoch e+1 may ack). */
#ifndef F_ACK
#define F_ACK 1
#endif
bool on=0, answered=0; byte lease=0, epoch=0, ackE=0, busyE=0; bool off=0; byte bDep=1;
proctype Prim(byte i) { byte e; bool seen;
el: atomic { lease==0 -> lease=i; epoch++; e=epoch };
  do
  :: lease!=i -> goto el
  :: atomic { lease==i && on -> ackE=e }                       /* ack; no own command in flight here */
  :: atomic { lease==i && !on -> seen=on; busyE=busyE+i };     /* certain read: off; command starts */
     atomic { if :: F_ACK && lease!=i -> busyE=busyE-i          /* deadline: command killed with the lease */
                 :: else -> assert(!answered); off=1; busyE=busyE-i fi }   /* power off happens here */
  od }
proctype Api() {
  atomic { on=1 };
  if :: F_ACK -> (ackE==epoch && epoch>0 && lease!=0 ) :: else fi;
  answered=1 }
proctype Dep() { do :: atomic { bDep>0 && lease!=0 -> bDep--; lease=0 } od }
init { atomic { run Prim(1); run Prim(2); run Api(); run Dep() } }
