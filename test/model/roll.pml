/*
 * ZooKeeper loses acknowledged writes, as its version 3.8.0 can: one rollback to an earlier state.
 * F_SEQ: run.seq is monotone; every node persists the highest seq it wrote or saw per VM; a node acts only if the record's seq
 *        is >= what any live node has seen (asked by peer port, quorum of nodes incl. itself), else hold + fault.
 * 3 nodes; the VM moves by release/take. */
#ifndef F_SEQ
#define F_SEQ 1
#endif
byte rec=0, seq=0, srec=0, sseq=0; byte seen[3]; bool dom[3]; byte own[3]; byte bRoll=1, bMove=2; bool snap=0;
#define MX ((seen[0]>=seen[1] && seen[0]>=seen[2]) -> seen[0] : (seen[1]>=seen[2] -> seen[1] : seen[2]))
#define OK(x) (!F_SEQ || seq >= MX)
proctype Node(byte n) { bool m=0;
  do
  :: atomic { rec==0 && !dom[n] && OK(n) && seq<9 -> seq=MX; if :: seq<sseq -> seq=sseq :: else fi; seq++; rec=n+1; seen[n]=seq }
  :: atomic { rec==n+1 && !dom[n] && OK(n) -> m=1 };
     atomic { if :: m && (!F_SEQ || rec==n+1) -> dom[n]=1 :: else fi; m=0 }
  :: atomic { bMove>0 && dom[n] && rec==n+1 -> bMove--; dom[n]=0 ; rec=0; seq++; seen[n]=seq }
  :: atomic { dom[n] && rec!=n+1 && OK(n) -> dom[n]=0 }
  od }
proctype W() {
  do
  :: atomic { !snap -> snap=1; srec=rec; sseq=seq }
  :: atomic { snap && bRoll>0 && sseq<seq -> bRoll--; rec=srec; seq=sseq }
  od }
proctype Mon() { do :: atomic { (dom[0]&&dom[1])||(dom[0]&&dom[2])||(dom[1]&&dom[2]) -> assert(0) } od }
init { atomic { run Node(0); run Node(1); run Node(2); run W(); run Mon() } }
