/** What is checked of the model, and how each must end. */

export type ModelCheck = {
  readonly model: 'fence' | 'mig' | 'maint' | 'time' | 'roll'
  readonly what: string
  readonly options: readonly string[]
  readonly expected: 'clean' | 'violated'
  /** Minutes instead of seconds. */
  readonly isLong?: boolean
}

const d = (options: string): readonly string[] => options.split(' ').map((option) => `-D${option}`)

/** One rule left out: the counterexample must be found. */
const without = (model: ModelCheck['model'], rule: string, options: string): ModelCheck => ({
  model,
  what: `without ${rule}`,
  options: [...d(options), `-D${rule}=0`],
  expected: 'violated',
})

export const CHECKS: readonly ModelCheck[] = [
  { model: 'mig', what: 'source or target dies, one reply lost', options: [], expected: 'clean' },
  { model: 'mig', what: 'source and target die, one reply lost', options: d('B_DIE=2'), expected: 'clean' },
  without('mig', 'M_PAUSED', 'B_DIE=1'),
  without('mig', 'M_END', 'B_DIE=1'),
  without('mig', 'M_COLD', 'B_DIE=1'),
  {
    model: 'mig',
    what: 'without M_CLEAN: not needed as long as copies arrive paused',
    options: d('M_CLEAN=0'),
    expected: 'clean',
  },
  without('mig', 'M_SWEEP', 'B_DIE=2'),
  { model: 'maint', what: 'a deposed primary that acts late', options: [], expected: 'clean' },
  without('maint', 'F_ACK', 'X'),
  { model: 'roll', what: 'acknowledged writes are lost once', options: [], expected: 'clean' },
  without('roll', 'F_SEQ', 'X'),
  { model: 'time', what: 'the shipped times', options: [], expected: 'clean' },
  { model: 'time', what: 'a wait of 14 s instead of 16', options: d('W=28'), expected: 'violated' },
  { model: 'time', what: 'the bound at 20 s', options: d('SFB=40'), expected: 'violated' },
  {
    model: 'fence',
    what: 'both nodes, 2 expiries, I2 and liveness',
    options: d('B_EXP=2 NF=2 CHK=3 B_ON=0'),
    expected: 'clean',
  },
  {
    model: 'fence',
    what: 'both nodes, 2 expiries, I1 and I2',
    options: d('B_EXP=2 NF=2 CHK=1 B_ON=0'),
    expected: 'clean',
  },
  {
    model: 'fence',
    what: 'the same, self-fence broken',
    options: d('B_EXP=2 NF=2 CHK=2 SF=0 B_ON=0'),
    expected: 'clean',
  },
  without('fence', 'F_WHOLE', 'B_EXP=2 SF=0 CHK=2 B_ON=0'),
  without('fence', 'F_BARRIER', 'B_EXP=1 B_SPEC=2 B_TMO=1 CHK=1 B_ON=0'),
  without('fence', 'F_BLALWAYS', 'B_EXP=2 BMC=2 CHK=2 SF=0 B_ON=0'),
  without('fence', 'F_SFCOUNT', 'B_EXP=2 CHK=1 B_ON=0'),
  without('fence', 'F_DEKKER', 'B_EXP=1 CHK=1 B_ON=0'),
  {
    model: 'fence',
    what: '2 expiries, a crash, a create past its deadline, stop and start: I2 and liveness',
    options: d('B_EXP=2 B_CRASH=1 B_TMO=1 B_SPEC=2 CHK=3 B_ON=0'),
    expected: 'clean',
    isLong: true,
  },
  {
    model: 'fence',
    what: 'the same: I1 and I2',
    options: d('B_EXP=2 B_CRASH=1 B_TMO=1 B_SPEC=2 CHK=1 B_ON=0'),
    expected: 'clean',
    isLong: true,
  },
  {
    model: 'fence',
    what: 'power loss, an expiry, a crash, one power on: I1 and I2',
    options: d('B_EXP=1 B_POW=1 B_CRASH=1 B_ON=1 CHK=1'),
    expected: 'clean',
    isLong: true,
  },
  {
    model: 'fence',
    what: 'a BMC that lies, 2 expiries: I2',
    options: d('B_EXP=2 BMC=2 CHK=2 B_ON=0'),
    expected: 'clean',
    isLong: true,
  },
  {
    model: 'fence',
    what: '2 fencers, one deposed, 2 expiries: I2 and liveness',
    options: d('B_EXP=2 B_DEP=1 NP=2 CHK=3 B_ON=0'),
    expected: 'clean',
    isLong: true,
  },
  {
    model: 'fence',
    what: 'the same: I1 and I2',
    options: d('B_EXP=2 B_DEP=1 NP=2 CHK=1 B_ON=0'),
    expected: 'clean',
    isLong: true,
  },
]
