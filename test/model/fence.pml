/*
 * Run record, sessions, self-fence, fencing with evidence, primaries that are deposed, return: two nodes, one VM, one or
 * two fencers. Every rule of the protocol is a switch F_x: 1 as built, 0 without it. Faults are bounded by B_x.
 * Messages to Ceph, to BMCs and to libvirt are delayed without limit.
 */
#define DEF 1
#ifndef F_WHOLE   /* blocklist the whole address (ip:0/0) instead of the client instances seen at that time */
#define F_WHOLE DEF
#endif
#ifndef F_DEKKER  /* node: create alive, then read journal, in EVERY new session; primary: write journal, then re-read alive */
#define F_DEKKER DEF
#endif
#ifndef F_LIFE    /* a fenced incarnation is never used again: new life id after quarantine, records re-taken by CAS */
#define F_LIFE DEF
#endif
#ifndef F_BARRIER /* no release / ack / self-fence-done before creates in flight are revoked (permit + drain) */
#define F_BARRIER DEF
#endif
#ifndef F_SESS    /* writes of the primary go over the lease session, or the journals are touched by every new epoch */
#define F_SESS DEF
#endif
#ifndef F_RM      /* the returning node lifts its own blocklist in quarantine; a primary never does */
#define F_RM DEF
#endif
#ifndef F_BLALWAYS /* blocklist is part of every evidence set (power alone is not enough while ceph is writable) */
#define F_BLALWAYS DEF
#endif
#ifndef F_SFCOUNT /* contact with ZooKeeper alone does not stop the self-fence countdown; a clean journal check does */
#define F_SFCOUNT DEF
#endif
#ifndef F_SELFBL  /* a node that finds itself blocklisted with no journal purges, lifts, takes a new life */
#define F_SELFBL DEF
#endif
#ifndef F_RESCAN  /* victims are scanned again until none is left before the journal can close */
#define F_RESCAN DEF
#endif
#ifndef F_OLDER   /* evidence for life L covers every earlier life of the machine: records with an older life are victims too */
#define F_OLDER DEF
#endif
#define VICTIM (recN==n+1 && (recL==jL[n] || (F_OLDER && recL<jL[n])))
#ifndef F_LEVEL   /* the blocklist entry is a level the fencer keeps true until the journal says recovered, not one command */
#define F_LEVEL DEF
#endif
#ifndef SF        /* self-fence works (1) or silently fails (0): I2 must hold in both */
#define SF 1
#endif
#ifndef B_EXP
#define B_EXP 1
#endif
#ifndef B_ON      /* power-ons allowed */
#define B_ON 2
#endif
#ifndef B_CRASH
#define B_CRASH 0
#endif
#ifndef B_POW
#define B_POW 0
#endif
#ifndef B_DEP
#define B_DEP 0
#endif
#ifndef B_SPEC
#define B_SPEC 0
#endif
#ifndef B_TMO
#define B_TMO 0
#endif
#ifndef BMC       /* 0 dead, 1 works, 2 also may say off while the host is on */
#define BMC 0
#endif
#ifndef NF        /* nodes that faults may hit: 1 = only node 0 */
#define NF 1
#endif
#ifndef NP
#define NP 1
#endif
#ifndef BOUND
#define BOUND 0
#endif
#ifndef CHK       /* 1: I1 and I2, 2: only I2, 3: liveness at quiescence as well */
#define CHK 1
#endif

bool specOn = 1;
byte recN = 0, recL = 0, recV = 0;           /* run record: node+1, life, znode version */
bool power[2] = 1, dom[2], domBl[2], pend[2], fresh[2];
byte life[2] = 1, alive[2], lastL[2] = 1;
bool sess[2], clean[2], kil[2], sfDone[2];
bool bl[2], mAdd[2], mRm[2], mOff[2];        /* ceph map; messages in flight to ceph and to the BMC */
byte jst[2], jL[2], jV[2], ack[2];           /* journal: 0 closed 1 open 2 evidence 3 recovered; life; version; node's ack */
byte lease = 0, epoch = 0;
byte bOn = B_ON, bExp = B_EXP, bCrash = B_CRASH, bPow = B_POW, bDep = B_DEP, bSpec = B_SPEC, bTmo = B_TMO;

#define CANWRITE(n) (dom[n] && !bl[n] && !domBl[n])
#define OFFNODE(n) power[n]=0; dom[n]=0; domBl[n]=0; pend[n]=0; kil[n]=1; sfDone[n]=0; clean[n]=0; if :: F_RM -> mRm[n]=0 :: else fi

proctype Node(byte n) {
  bool own;
again:
  { skip;
conn:  own = 0;
   atomic { power[n] && !sess[n] -> sess[n]=1; alive[n]=life[n]; lastL[n]=life[n]; clean[n]=0; if :: !F_SFCOUNT -> sfDone[n]=0 :: else fi }
resume:
   if
   :: atomic { (fresh[n] || F_DEKKER) && jst[n]!=0 } -> goto quar
   :: atomic { !((fresh[n] || F_DEKKER) && jst[n]!=0) && sess[n] -> clean[n]=1; sfDone[n]=0; fresh[n]=0 } 
   :: !sess[n] -> goto conn
   fi;
   do
   :: !sess[n] -> clean[n]=0; goto conn                                                /* learns that its session is gone */
   :: atomic { sess[n] && specOn && recN==0 && !dom[n] && !(F_BARRIER && pend[n]) -> recN=n+1; recL=life[n]; recV++ }           /* take from empty */
   :: atomic { sess[n] && recN==n+1 && recL!=life[n] && !dom[n] -> recL=life[n]; recV++ }   /* own dead life */
   :: atomic { sess[n] && specOn && recN==n+1 && recL==life[n] && !dom[n] && !pend[n] && !own -> own=1 }  /* decided to start */
   :: own -> atomic { own=0; if :: !dom[n] && !pend[n] -> pend[n]=1 :: else fi }         /* acts: message to libvirt */
   :: atomic { sess[n] && dom[n] && !(recN==n+1 && recL==life[n]) -> dom[n]=0; domBl[n]=0 }     /* not mine: destroy */
   :: atomic { sess[n] && !specOn && recN==n+1 && recL==life[n] && dom[n] -> dom[n]=0; domBl[n]=0 }  /* stop */
   :: atomic { sess[n] && !specOn && recN==n+1 && recL==life[n] && !dom[n] && !own && !(F_BARRIER && pend[n]) -> recN=0; recV++ } /* gone: release */
   :: atomic { F_BARRIER && sess[n] && !specOn && pend[n] -> pend[n]=0 }                  /* revoke permit, drain */
   :: atomic { bTmo>0 && pend[n] && !dom[n] && sess[n] && recN==n+1 && recL==life[n] -> bTmo--;  /* start deadline passed */
               if :: F_BARRIER -> pend[n]=0 :: else fi; recN=0; recV++ }
   :: atomic { F_SELFBL && sess[n] && bl[n] && jst[n]==0 && !mRm[n] -> clean[n]=0 } -> goto quar      /* blocklisted without a journal */
   od;
quar:
   own = 0;
   atomic { dom[n]=0; domBl[n]=0; if :: F_BARRIER -> pend[n]=0 :: else fi; sfDone[n]=1 };
   if :: F_RM ->
        do :: !sess[n] -> goto conn
           :: sess[n] && (jst[n]!=1) && bl[n] && !mRm[n] -> mRm[n]=1
           :: sess[n] && (jst[n]!=1) && !bl[n] && !mRm[n] -> break      /* own rm returned */
        od
      :: else
   fi;
   if :: atomic { sess[n] -> ack[n]=1 } :: !sess[n] -> goto conn fi;
   if :: sess[n] && jst[n]==0 :: !sess[n] -> goto conn fi;
   atomic { ack[n]=0; fresh[n]=0; if :: F_LIFE -> life[n]++; alive[n]=life[n]; lastL[n]=life[n] :: else fi };     /* new life: data of the alive znode, set before run */
   goto resume
  } unless { kil[n] }; atomic { kil[n]=0; sess[n]=0; own=0 } goto again
}

#define TOK(x) (jst[1-(x)]==0 && alive[1-(x)]!=0)      /* target: certified, not itself fenced */
#define VIC(x) (recN==(x)+1 && recL<=jL[x])
#define MAY (!F_SESS || (lease==i && epoch==myE))

proctype Prim(byte i) {
  byte n, rv, jv, myE, seen; bool pw;
el: n=0; rv=0; jv=0; seen=0; pw=0;
  atomic { lease==0 -> lease=i; epoch++; myE=epoch };
w: do
   :: lease!=i -> goto el                                        /* learned */
   /* suspect */
   :: atomic { MAY && alive[0]==0 && jst[0]==0 && recN==1 -> n=0; seen=lastL[0]; jv=jV[0] } -> goto open
   :: atomic { NF==2 && MAY && alive[1]==0 && jst[1]==0 && recN==2 -> n=1; seen=lastL[1]; jv=jV[1] } -> goto open
   :: atomic { F_OLDER && MAY && jst[0]==3 && alive[0]==0 && recN==1 && recL>jL[0] -> n=0; seen=lastL[0]; jv=jV[0] } -> goto reopen   /* a newer life died meanwhile */
   :: atomic { F_OLDER && NF==2 && MAY && jst[1]==3 && alive[1]==0 && recN==2 && recL>jL[1] -> n=1; seen=lastL[1]; jv=jV[1] } -> goto reopen
   /* resume what is recorded */
   :: atomic { MAY && jst[0]==1 -> n=0; jv=jV[0] } -> goto dek
   :: atomic { NF==2 && MAY && jst[1]==1 -> n=1; jv=jV[1] } -> goto dek
   :: atomic { MAY && jst[0]==2 && (TOK(0) || !VIC(0)) -> n=0; jv=jV[0] } -> goto rec
   :: atomic { MAY && jst[0]==2 && ack[0] -> n=0; jv=jV[0] } -> goto ret
   :: atomic { NF==2 && MAY && jst[1]==2 && (TOK(1) || !VIC(1)) -> n=1; jv=jV[1] } -> goto rec
   :: atomic { NF==2 && MAY && jst[1]==2 && ack[1] -> n=1; jv=jV[1] } -> goto ret
   :: atomic { MAY && jst[0]==3 && ack[0] -> n=0; jv=jV[0] } -> goto ret
   :: atomic { NF==2 && MAY && jst[1]==3 && ack[1] -> n=1; jv=jV[1] } -> goto ret
   od;
reopen:
   atomic { if :: MAY && jV[n]==jv && jst[n]==3 -> jst[n]=1; jL[n]=seen; jV[n]++; jv=jV[n]; ack[n]=0 :: else -> goto w fi };
   goto evid;
open:
   atomic { if :: MAY && jV[n]==jv && jst[n]==0 -> jst[n]=1; jL[n]=seen; jV[n]++; jv=jV[n]; ack[n]=0 :: else -> goto w fi };
dek:
   if :: F_DEKKER && alive[n]!=0 && jst[n]==1 -> atomic { if :: MAY && jV[n]==jv -> jst[n]=0; jV[n]++ :: else fi; goto w }
      :: else
   fi;
evid: pw=0;
   if
   :: BMC>0 -> mOff[n]=1; 
        if :: !power[n] -> pw=1 :: BMC==2 -> pw=1 :: lease!=i -> goto el :: pw=0 fi                   /* last: deadline */
   :: pw=0
   fi;
   if :: (!pw || F_BLALWAYS) -> mAdd[n]=1;
lev:    do :: !mAdd[n] && (bl[n] || !F_WHOLE) -> break
           :: atomic { F_LEVEL && F_WHOLE && MAY && !mAdd[n] && !bl[n] -> mAdd[n]=1 }   /* each repeat after a certain read over the lease session */
           :: lease!=i -> goto el od
      :: else
   fi;
   if :: pw
      :: F_LEVEL && F_WHOLE && MAY && !pw && !mAdd[n] && !bl[n] -> goto lev
      :: !pw && (!SF || sfDone[n] || !power[n] || life[n]!=jL[n] || (!F_SFCOUNT && sess[n]) || (F_SFCOUNT && sess[n] && clean[n])) /* bound elapsed */
      :: lease!=i -> goto el
   fi;
   atomic { if :: F_LEVEL && F_WHOLE && (!pw || F_BLALWAYS) && !bl[n] && MAY -> goto lev :: MAY && jV[n]==jv && jst[n]==1 && !(F_LEVEL && F_WHOLE && (!pw || F_BLALWAYS) && !bl[n]) -> jst[n]=2; jV[n]++; jv=jV[n] :: else -> goto w fi };
rec:
   do
   :: atomic { VICTIM && TOK(n) -> rv=recV };
      atomic { if :: MAY && recV==rv -> recN=(1-n)+1; recL=lastL[1-n]; recV++ :: else -> if :: MAY :: else -> goto el fi fi };
      if :: F_RESCAN :: else -> break fi
   :: !VICTIM -> break
   :: VICTIM && !TOK(n) -> goto w
   :: lease!=i -> goto el
   od;
   atomic { if :: MAY && jV[n]==jv && jst[n]==2 -> jst[n]=3; jV[n]++ :: else fi };
   goto w;
ret:
   if :: F_RM
      :: else -> mRm[n]=1; if :: !bl[n] && !mRm[n] :: lease!=i -> goto el fi
   fi;
   if :: F_RESCAN && VICTIM && TOK(n) && jst[n]==3 -> atomic { if :: MAY && jV[n]==jv && jst[n]==3 -> jst[n]=2; jV[n]++ :: else fi }
      :: else -> atomic { if :: MAY && jV[n]==jv && jst[n]>=2 && ack[n] -> jst[n]=0; jV[n]++ :: else fi }
   fi;
   goto w
}

/* the world: messages that arrive late, libvirtd, ceph, BMC, sessions, self-fence, faults */
proctype World(byte n) {
  do
  :: atomic { pend[n] && power[n] -> pend[n]=0; if :: !dom[n] -> dom[n]=1; domBl[n]=0 :: else fi }
  :: atomic { mAdd[n] -> mAdd[n]=0; if :: F_WHOLE -> bl[n]=1 :: dom[n] && !F_WHOLE -> domBl[n]=1 :: !dom[n] && !F_WHOLE fi }
  :: atomic { mRm[n] -> mRm[n]=0; bl[n]=0 }
  :: atomic { mOff[n] -> mOff[n]=0; if :: BMC>0 && power[n] -> OFFNODE(n) :: 1 fi }        /* second: accepted, not done */
  :: atomic { SF && power[n] && !sfDone[n] && (!sess[n] || (F_SFCOUNT && !clean[n])) && n<NF ->
              dom[n]=0; domBl[n]=0; sfDone[n]=1; if :: F_BARRIER -> pend[n]=0; kil[n]=1 :: else fi }
  :: atomic { !power[n] && bOn>0 -> bOn--; power[n]=1; life[n]++; fresh[n]=1; sfDone[n]=0; clean[n]=0 }
  :: atomic { !power[n] && alive[n]!=0 -> alive[n]=0; sess[n]=0 }
  :: atomic { n<NF && bExp>0 && sess[n] -> bExp--; sess[n]=0; alive[n]=0 }
  :: atomic { n<NF && bCrash>0 && power[n] && !kil[n] -> bCrash--; kil[n]=1 }
  :: atomic { n<NF && bPow>0 && power[n] -> bPow--; OFFNODE(n) }
  od
}
proctype World2() {
  do
  :: atomic { bDep>0 && lease!=0 -> bDep--; lease=0 }
  :: atomic { bSpec>0 -> bSpec--; specOn=!specOn }
  od
}
proctype Mon() {
  do
  :: atomic { CHK==1 && dom[0] && dom[1] -> assert(!(dom[0] && dom[1])) }                      /* I1 */
  :: atomic { CANWRITE(0) && CANWRITE(1) -> assert(!(CANWRITE(0) && CANWRITE(1))) }            /* I2 */
  :: atomic { BOUND && (recV>24 || jV[0]>24 || jV[1]>24 || life[0]>12) -> assert(0) }
  :: atomic { CHK==3 && timeout -> assert(!specOn || CANWRITE(0) || CANWRITE(1)); break }      /* I7 at quiescence */
  od
}
init { atomic {
  run Node(0); run Node(1); run Prim(1); if :: NP==2 -> run Prim(2) :: else fi;
  run World(0); run World(1); run World2(); run Mon() } }
