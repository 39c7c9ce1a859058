import type { FenceTest, nodeFenceTestRoutes } from '../../contract/node-fence-test.ts'
import { type Readiness, readinessGrade } from '../../model/power.ts'
import { readReadiness, runFenceTest } from '../../operations/node-fence-test.ts'
import type { Handlers } from '../handler.ts'

function shown(node: string, readiness: Readiness | undefined): FenceTest {
  if (readiness === undefined) return { node, run: 0, tested_at: null, grade: 'unknown', checks: [] }
  const { run, at, checks } = readiness
  return {
    node,
    run,
    tested_at: at,
    grade: readinessGrade(checks),
    checks: checks.map(({ name, isOk, message }) => ({ name, ok: isOk, message })),
  }
}

export const nodeFenceTestHandlers = {
  nodeFenceTest: ({ deps }, { node }) => shown(node, readReadiness(deps.index, node)),
  nodeRunFenceTest: async ({ deps, principal, signal }, { node }) =>
    shown(node, await runFenceTest(deps, node, principal.who, signal)),
} satisfies Pick<Handlers, keyof typeof nodeFenceTestRoutes>
