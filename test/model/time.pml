/*
 * Discrete time (1 unit = 0.5 s): is "storage + self-fence bound" sound with these numbers?
 * s0 = send time of the node's last acknowledged op (0). The server may have received later pings (acks lost) up to r.
 * expiry v in [r+T, r+T+TICK] (never earlier). Node: agent kills at s0+SFB, needs <= K; or hangs, then the watchdog, last fed
 * in (SFB-F, SFB], resets <= WD+RST later. Primary starts the VM W after it SAW the expiry (v or later). */
#ifndef T
#define T 12
#endif
#ifndef TICK
#define TICK 1
#endif
#ifndef SFB
#define SFB 18
#endif
#ifndef K
#define K 4
#endif
#ifndef WD
#define WD 20
#endif
#ifndef RST
#define RST 2
#endif
#ifndef DR      /* clock error of both sides together, units over the whole interval */
#define DR 1
#endif
#ifndef W
#define W 32
#endif
byte now=0, r=0, v=0, start=0, dead=0; 
init {
  byte d=0;
  if :: r=0 :: r=1 :: r=2 :: r=4 fi;                  /* acks lost although pings arrive: makes v later only */
  if :: v=r+T :: v=r+T+TICK fi;
  if :: dead=SFB :: dead=SFB+K :: dead=SFB+WD+RST fi;  /* killed at once, slowly, or by the watchdog */
  if :: d=0 :: d=DR fi; dead=dead+d;                   /* node's clock slow / primary's fast */
  start=v+W;
  do :: now<120 -> now++; assert(!(now>=start && now<dead)) :: else -> break od
}
