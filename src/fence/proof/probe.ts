import type { NodeName } from '../../model/ids.ts'
import type { PeerProbe, Peers } from '../../ports/peer.ts'
import type { ProbeVerdict } from '../view.ts'

const RANK = { silent: 0, 'host-only': 1, answers: 2 } as const

/**
 * Asks this node and the other living coordinators what they see of a node (design: for the timeline, and to tell a stopped
 * daemon from a dead machine). Never evidence.
 */
export async function probeNode(
  peers: Peers,
  node: NodeName,
  coordinators: readonly NodeName[],
): Promise<ProbeVerdict> {
  const [own, ...others] = await Promise.all([
    peers.probe(node),
    ...coordinators.map((coordinator) => peers.probeFrom(coordinator, node)),
  ])
  const views = others.flatMap((answers, index) => {
    const coordinator = coordinators[index]
    return answers === undefined || coordinator === undefined ? [] : [{ who: coordinator as string, answers }]
  })
  const all = [{ who: 'this node', answers: own ?? [] }, ...views]
  const best = all.flatMap(({ answers }) => answers.map(({ kind }) => kind)).reduce(better, 'silent')
  return { kind: best, text: all.map(({ who, answers }) => `${who}: ${describe(answers)}`).join('; ') }
}

function better(a: PeerProbe['kind'], b: PeerProbe['kind']): PeerProbe['kind'] {
  return RANK[b] > RANK[a] ? b : a
}

const WORDS = { answers: 'pvcnoded answers', 'host-only': 'the machine answers', silent: 'silent' } as const

function describe(answers: readonly PeerProbe[]): string {
  if (answers.length === 0) return 'knows no address of it'
  return answers.map(({ kind, network }) => `${WORDS[kind]} on ${network}`).join(', ')
}
