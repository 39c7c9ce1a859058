import { ERROR_STATUS } from '../src/api/errors.ts'
import { ERROR_CODES, type ErrorCode } from '../src/model/errors.ts'

const LOOK_AT_CEPH = 'Look at `ceph -s`, then ask again. What was begun can be repeated.'
const LOOK_AT_LIBVIRT =
  '`systemctl status libvirtd` on the node that the message names; restarting it touches no guest.'
const LOOK_AND_REPEAT = 'Look whether it was done (`pvc vm info`, `pvc node info` …), then ask again.'
const INSIDE =
  'Two programs wrote at the same time. Ask again; if it stays, note the request id and look into the log of pvcapid.'

/** What somebody does who gets a code. The compiler refuses a code without an entry. */
const WHAT_TO_DO: Record<ErrorCode, string> = {
  PVC_ARGUMENT_INVALID: 'Correct the argument: `--help` of the command says what it takes.',
  PVC_AUTH_REQUIRED:
    'Is the token the right one for this cluster, and was it revoked? See [Tokens](../operator-guide.md#tokens-and-tls).',
  PVC_AUTH_FORBIDDEN: 'Use a token with the role that the message names.',
  PVC_CONFIG_INVALID: 'On the node that the message names: `pvcnoded --check` shows each error with its line.',
  PVC_OBJECT_NOT_FOUND: 'Look for the name with `list`. A node is known once its pvcnoded has run.',
  PVC_OBJECT_EXISTS: 'Choose another name or UUID, or change what is there.',
  PVC_OBJECT_CONFLICT: 'Look at it again, then repeat your change if it is still wanted.',
  PVC_STATE_REFUSED: 'The message says which state it has and what would have to be done first.',
  PVC_VM_FAILED: 'See [A VM that failed](../operator-guide.md#a-vm-that-failed) for the reason.',
  PVC_WAIT_TIMEOUT: 'Nothing was taken back: it goes on. `pvc vm info`, `pvc node list` show how far it is.',
  PVC_STORE_UNAVAILABLE:
    'Passes by itself within seconds after a leader died. Longer: [no quorum](../emergencies.md#zookeeper-has-no-quorum).',
  PVC_STORE_SESSION_LOST: LOOK_AND_REPEAT,
  PVC_STORE_TIMEOUT: LOOK_AND_REPEAT,
  PVC_STORE_VERSION: INSIDE,
  PVC_STORE_EXISTS: INSIDE,
  PVC_STORE_MISSING: INSIDE,
  PVC_STORE_NOT_EMPTY: INSIDE,
  PVC_STORE_TOO_LARGE:
    'Make it smaller: a definition has at most 256 KiB, user data 16,384 characters, a request 1 MiB.',
  PVC_STORE_WATCH_LIMIT:
    'More objects than one session can watch (10,000). Remove what is not needed; tell the developers.',
  PVC_STORE_CORRUPT:
    'Was something written by hand, or by another release? See [DOCUMENT_REFUSED](../operator-guide.md#document_refused).',
  PVC_STORE_SCHEMA:
    'Are `cluster.name` and `zookeeper.servers` right? Otherwise install the release that the others have.',
  PVC_STORE_ROLLBACK: 'See [STORE_ROLLBACK](../operator-guide.md#store_rollback) before anything else is done.',
  PVC_HYPERVISOR_UNAVAILABLE: LOOK_AT_LIBVIRT,
  PVC_HYPERVISOR_FAILED: 'The message has the words of libvirt. Mostly the definition: `pvc vm modify --editor`.',
  PVC_HYPERVISOR_TIMEOUT: `Mostly a hung Ceph: \`ceph -s\`. Else: ${LOOK_AT_LIBVIRT}`,
  PVC_HOST_FAILED: 'Look at the log of the daemon on the node that the message names.',
  PVC_CEPH_FAILED: LOOK_AT_CEPH,
  PVC_CEPH_TIMEOUT: LOOK_AT_CEPH,
  PVC_CEPH_NOT_FOUND: '`rbd ls POOL` and `ceph osd pool ls` show what there is.',
  PVC_CEPH_EXISTS: 'Choose another name. `rbd ls POOL` shows what Ceph has, also what PVC does not know.',
  PVC_CEPH_BUSY:
    'Who has it open? `rbd status POOL/VOLUME`. A client that died is believed in for 30 s: wait, ask again.',
  PVC_NETWORK_FAILED: 'The message has the words of `ip`, `nft`, `bridge` or FRR; see the faults of the node.',
  PVC_VOLUME_LOCKED: 'See [Locks that are left](../operator-guide.md#locks-that-are-left).',
  PVC_CONSOLE_UNREADABLE: 'See [CONSOLE_LOG_UNREADABLE](../operator-guide.md#console_log_unreadable).',
  PVC_XML_INVALID: 'Correct the line that the message names.',
  PVC_INTERNAL: '`journalctl -u pvcapid -o cat | grep REQUEST_ID` has the cause. Report it.',
}

/** The error page: every code with its HTTP status, what it means for an operator and what to do, in the order of the table. */
export function renderErrors(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, meaning]) =>
      `| \`${code}\` | ${ERROR_STATUS[code as ErrorCode]} | ${meaning} | ${WHAT_TO_DO[code as ErrorCode]} |`,
  )
  return [
    '# Error codes',
    '',
    'Generated from `src/model/errors.ts`, `src/api/errors.ts` and `tools/doc-errors.ts` by `npm run docs`; do not edit. The API sends the code in',
    'the header `X-Pvc-Error`, and the number of the request, which is also in the log of pvcapid, in `X-Request-Id`. `pvc` shows the message; `pvc -v` shows the code and the number as well.',
    '',
    '| code | HTTP status | meaning | what to do |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
