import type { Decision } from '../../contract/vm-move.ts'
import type { Palette } from './colour.ts'
import { type Cell, formatTable } from './table.ts'

type Candidate = Decision['candidates'][number]

function choiceCell({ node, eligible }: Candidate, decision: Decision): Cell {
  if (node === decision.choice) return { text: 'chosen', colour: 'green' }
  return eligible ? 'possible' : { text: 'no', colour: 'red' }
}

/** Every node that was looked at, and why it won or lost. */
export function formatCandidates(decision: Decision, palette: Palette): string {
  const columns = [
    { title: 'Node', cell: (each: Candidate) => each.node },
    { title: 'Choice', cell: (each: Candidate) => choiceCell(each, decision) },
    { title: 'Score', cell: (each: Candidate) => (each.score === null ? '-' : String(each.score)) },
    { title: 'Reason', cell: (each: Candidate) => each.reason },
  ]
  return formatTable([{ title: '', columns }], decision.candidates, palette)
}

function headline({ at, kind, from, choice, reason }: Decision, palette: Palette): string {
  const when = new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
  const where = from === '' ? '' : ` from ${from}`
  // Without a choice the reasons are those of the nodes, which the table shows.
  const what = choice === '' ? palette.red('no node could take it') : `${palette.green(choice)}, ${reason}`
  return `${when} ${kind}${where}: ${what}`
}

/** `pvc vm why`: choices, newest first. */
export function formatDecisions(name: string, decisions: readonly Decision[], palette: Palette): string {
  if (decisions.length === 0) return `No automatic choice of a node is known for VM ${name}: it is where it was put.`
  return decisions.map((each) => `${headline(each, palette)}\n\n${formatCandidates(each, palette)}`).join('\n\n')
}
