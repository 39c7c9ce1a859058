/*
 * Live migration: the hand-over of the run record with source (0), target (1) or both dying at any step, and with a reply of
 * libvirt lost. Node 2 is healthy: recovery starts the VM there. As built: the copy arrives paused, the source ends its own
 * QEMU once the copy is complete, then hands the record over, and the target resumes when it sees its record.
 *
 * M_PAUSED 1: the copy arrives paused.          M_END 1: the source ends its QEMU before it hands the record over.
 * M_COLD 1: recovery never resumes the copy.    M_CLEAN 1: recovery waits until the target's copy is gone.
 * M_SWEEP 1: records of dead lives are looked for over and over.
 */
#ifndef M_PAUSED
#define M_PAUSED 1
#endif
#ifndef M_END
#define M_END 1
#endif
#ifndef M_COLD
#define M_COLD 1
#endif
#ifndef M_CLEAN
#define M_CLEAN 1
#endif
#ifndef M_SWEEP
#define M_SWEEP 1
#endif
#ifndef B_DIE
#define B_DIE 1
#endif
#ifndef B_CUT
#define B_CUT 1
#endif

#define NONE 0
#define RUN 1
#define ARRIVING 2          /* a copy whose memory is not complete */
#define PAUSED 3            /* complete, or at the switch: its CPUs stand still */

/* libvirt's job at the source */
#define IDLE 0
#define COPYING 1
#define SWITCHED 2          /* the source stands still, the rest is sent */
#define COMPLETE 3          /* the target has everything; the source does not know it from libvirt yet */
#define ENDED 4             /* the source's QEMU is gone, by libvirt or by its node */
#define RESUMED 5           /* libvirt let the source run again */
#define OVER 6

byte dom[3];
byte gen[3];                /* how new the memory of a copy is */
byte disk = 0;              /* the newest write */
byte rec = 1, recV = 0;     /* run record: node + 1, and its version */
bool mig = 0;               /* the migration in the status document */
bool up[3] = 1, dead[3];    /* dead: the primary has evidence */
byte job = IDLE;
byte bDie = B_DIE, bCut = B_CUT, bMig = 1;

#define WRITES(n) (up[n] && dom[n] == RUN)

proctype Source() {
  do
  :: !up[0] -> break
  :: atomic { up[0] && bMig > 0 && dom[0] == RUN && rec == 1 && job == IDLE && up[1] ->
       bMig--; mig = 1; job = COPYING; dom[1] = ARRIVING }
  /* the target has said that its copy is complete: our QEMU ends, whatever libvirt thinks by now */
  :: atomic { M_END && up[0] && rec == 1 && mig && job == COMPLETE && dom[1] == PAUSED ->
       dom[0] = NONE; job = ENDED }
  :: atomic { !M_END && up[0] && rec == 1 && mig && job == COMPLETE && dom[1] == PAUSED ->
       rec = 2; recV++; mig = 0 }
  :: atomic { up[0] && rec == 1 && mig && job == ENDED -> rec = 2; recV++; mig = 0; job = OVER }
  :: atomic { up[0] && rec == 1 && mig && job == RESUMED -> mig = 0; job = OVER }
  :: atomic { up[0] && dom[0] == RUN && rec != 1 && job != COPYING && job != SWITCHED -> dom[0] = NONE }
  :: atomic { up[0] && rec == 1 && dom[0] == NONE && !mig -> dom[0] = RUN; gen[0] = disk }
  od
}

/* libvirt goes on when daemons end */
proctype Libvirt() {
  do
  :: atomic { job == COPYING && up[0] && up[1] && dom[0] == RUN && dom[1] == ARRIVING ->
       dom[0] = PAUSED; gen[1] = gen[0]; job = SWITCHED }
  :: atomic { job == SWITCHED && up[0] && up[1] && dom[1] == ARRIVING ->
       if :: M_PAUSED -> dom[1] = PAUSED :: else -> dom[1] = RUN; gen[1]++; disk = gen[1] fi;
       job = COMPLETE }
  :: atomic { job == COMPLETE && up[0] && dom[0] == PAUSED -> dom[0] = NONE; job = ENDED }
  /* a reply is lost: libvirt lets the source run again, although the copy may be complete */
  :: atomic { bCut > 0 && (job == SWITCHED || job == COMPLETE) && up[0] && dom[0] == PAUSED ->
       bCut--; dom[0] = RUN; job = RESUMED }
  :: atomic { bCut > 0 && job == COPYING && up[0] -> bCut--; dom[1] = NONE; job = RESUMED }
  :: atomic { (job == COPYING || job == SWITCHED) && up[0] && (!up[1] || dom[1] == NONE) ->
       if :: dom[0] == PAUSED -> dom[0] = RUN :: else fi;
       job = RESUMED }
  :: atomic { job == COMPLETE && up[0] && !up[1] && dom[0] == PAUSED -> dom[0] = RUN; job = RESUMED }
  :: atomic { !up[0] && job != OVER -> job = OVER }
  /* the guest writes */
  :: atomic { up[0] && dom[0] == RUN && gen[0] < 4 && bMig == 0 && job != COPYING -> gen[0]++; disk = gen[0] }
  od
}

proctype Target() {
  do
  :: !up[1] -> break
  :: atomic { up[1] && rec == 2 && dom[1] == PAUSED -> assert(gen[1] >= disk); dom[1] = RUN }        /* I2b */
  :: atomic { up[1] && dom[1] == PAUSED && rec != 2 && !mig -> dom[1] = NONE }
  :: atomic { up[1] && dom[1] == ARRIVING && !mig -> dom[1] = NONE }
  :: atomic { up[1] && dom[1] == RUN && rec != 2 && !mig -> dom[1] = NONE }
  :: atomic { up[1] && rec == 2 && dom[1] == NONE -> dom[1] = RUN; gen[1] = disk }
  od
}

proctype Third() {
  do
  :: atomic { rec == 3 && dom[2] == NONE -> dom[2] = RUN; gen[2] = disk + 1; disk = gen[2] }
  od
}

/* evidence about a node means that its domains are gone; then its records are moved */
proctype Primary() {
  byte v;
  bool seen0 = 0, seen1 = 0;
  do
  :: atomic { !up[0] && !dead[0] -> dead[0] = 1; dom[0] = NONE }
  :: atomic { !up[1] && !dead[1] -> dead[1] = 1; dom[1] = NONE }
  :: atomic { dead[0] && rec == 1 && (!seen0 || M_SWEEP) -> v = recV };
     if
     :: M_CLEAN && mig && !dead[1] ->
          atomic {
            if
            :: recV == v && !M_COLD && dom[1] == PAUSED -> rec = 2; recV++; mig = 0
            :: else -> if :: recV == v -> mig = 0; recV++; v = recV :: else fi
            fi };
          (rec != 1 || dom[1] == NONE || dead[1])
     :: else
     fi;
     atomic { if :: recV == v && rec == 1 -> rec = 3; recV++; mig = 0 :: else fi; seen0 = 1 }
  :: atomic { dead[0] && rec != 1 && !seen0 -> seen0 = 1 }
  :: atomic { dead[1] && rec == 2 && (!seen1 || M_SWEEP) -> rec = 3; recV++; seen1 = 1 }
  :: atomic { dead[1] && rec != 2 && !seen1 -> seen1 = 1 }
  od
}

proctype Faults() {
  do
  :: atomic { bDie > 0 && up[0] -> bDie--; up[0] = 0; dom[0] = NONE }
  :: atomic { bDie > 0 && up[1] -> bDie--; up[1] = 0; dom[1] = NONE }
  od
}

proctype Monitor() {
  do
  :: atomic { (WRITES(0) && WRITES(1)) || (WRITES(0) && WRITES(2)) || (WRITES(1) && WRITES(2)) -> assert(0) }   /* I1, I2 */
  :: atomic { timeout -> assert(WRITES(0) || WRITES(1) || WRITES(2)); break }                                   /* I7 */
  od
}

init { atomic { dom[0] = RUN;
  run Source(); run Libvirt(); run Target(); run Third(); run Primary(); run Faults(); run Monitor() } }
