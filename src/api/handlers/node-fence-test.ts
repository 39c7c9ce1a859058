import type { CoordinatorFenceTest, FenceTest, nodeFenceTestRoutes } from '../../contract/node-fence-test.ts'
import { readinessGrade } from '../../model/power.ts'
import {
  type CoordinatorFinding,
  type FenceTestResult,
  readFenceTest,
  runFenceTest,
} from '../../operations/node-fence-test.ts'
import type { Handlers } from '../handler.ts'

function shown({ node, readiness, coordinators, wish }: FenceTestResult): FenceTest {
  const found = { coordinators: coordinators.map((each) => shownCoordinator(each, wish)) }
  if (readiness === undefined)
    return { node, run: 0, tested_at: null, grade: 'unknown', checks: [], tested_by: null, ...found }
  const { run, at, checks, testedBy } = readiness
  return {
    node,
    run,
    tested_at: at,
    grade: readinessGrade(checks),
    checks: checks.map(({ name, isOk, message }) => ({ name, ok: isOk, message })),
    tested_by: testedBy ?? null,
    ...found,
  }
}

function shownCoordinator({ coordinator, isRunning, test }: CoordinatorFinding, wish: number): CoordinatorFenceTest {
  const problems = (test?.checks ?? []).filter(({ isOk }) => !isOk).map(({ message }) => message)
  return {
    name: coordinator,
    running: isRunning,
    answered: test !== undefined && test.wish >= wish,
    tested_at: test?.at ?? null,
    ok: test !== undefined && problems.length === 0,
    problems,
  }
}

export const nodeFenceTestHandlers = {
  nodeFenceTest: ({ deps }, { node }) => shown(readFenceTest(deps.index, node)),
  nodeRunFenceTest: async ({ deps, principal, signal }, { node }) =>
    shown(await runFenceTest(deps, node, principal.who, signal)),
} satisfies Pick<Handlers, keyof typeof nodeFenceTestRoutes>
