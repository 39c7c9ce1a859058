/**
 * For each rule of the import law, a small tree that breaks it and nothing else matters in.
 * A rule without a breach here fails the test: a rule that never fires is worse than none.
 */

/** File path to content. */
export type Tree = Record<string, string>

const uses = (path: string): string => `import { x } from '${path}'\nexport const y = x\n`
const plain = 'export const x = 1\n'

/** One folder importing something its line in the table does not name. */
function oneImport(from: string, to: string): Tree {
  const up = '../'.repeat(from.split('/').length - 1)
  return { [from]: uses(`${up}${to}`), [to]: plain }
}

/** Breaches by rule name; each tree must trigger at least the rule it is filed under. */
export const breaches: Record<string, Tree[]> = {
  'base-imports': [
    oneImport('src/base/a.ts', 'src/model/b.ts'),
    { 'src/base/a.ts': "import { readFileSync } from 'node:fs'\nexport const y = readFileSync\n" },
  ],
  'model-imports': [
    oneImport('src/model/a.ts', 'src/ports/b.ts'),
    { 'src/model/a.ts': "import { randomUUID } from 'node:crypto'\nexport const y = randomUUID\n" },
    { 'src/model/a.ts': "import pino from 'pino'\nexport const y = pino\n" },
  ],
  'schema-imports': [oneImport('src/schema/a.ts', 'src/ports/b.ts'), oneImport('src/schema/a.ts', 'src/adapters/b.ts')],
  'contract-imports': [oneImport('src/contract/a.ts', 'src/schema/b.ts')],
  'ports-imports': [
    oneImport('src/ports/a.ts', 'src/adapters/b.ts'),
    { 'src/ports/a.ts': "import type { z } from 'zod'\nexport type Y = z.ZodType\n" },
  ],
  'view-imports': [oneImport('src/view/a.ts', 'src/node/b.ts')],
  'node-imports': [
    oneImport('src/node/a.ts', 'src/coordinator/b.ts'),
    oneImport('src/node/a.ts', 'src/adapters/b.ts'),
    { 'src/node/a.ts': "import { execFile } from 'node:child_process'\nexport const y = execFile\n" },
  ],
  'coordinator-imports': [oneImport('src/coordinator/a.ts', 'src/fence/b.ts')],
  'fence-imports': [oneImport('src/fence/a.ts', 'src/node/b.ts'), oneImport('src/fence/a.ts', 'src/operations/b.ts')],
  'console-imports': [oneImport('src/console/a.ts', 'src/api/b.ts')],
  'operations-imports': [
    oneImport('src/operations/a.ts', 'src/adapters/b.ts'),
    { 'src/operations/a.ts': "import fastify from 'fastify'\nexport const y = fastify\n" },
  ],
  'worker-imports': [oneImport('src/worker/a.ts', 'src/adapters/b.ts')],
  'api-imports': [
    oneImport('src/api/a.ts', 'src/schema/b.ts'),
    oneImport('src/api/a.ts', 'src/adapters/b.ts'),
    { 'src/api/a.ts': "import { readFileSync } from 'node:fs'\nexport const y = readFileSync\n" },
  ],
  'cli-imports': [
    oneImport('src/cli/a.ts', 'src/schema/b.ts'),
    oneImport('src/cli/a.ts', 'src/operations/b.ts'),
    { 'src/cli/a.ts': "import fastify from 'fastify'\nexport const y = fastify\n" },
  ],
  'adapters-imports': [
    oneImport('src/adapters/a.ts', 'src/node/b.ts'),
    oneImport('src/adapters/a.ts', 'src/view/b.ts'),
  ],
  'bin-imports': [oneImport('src/bin/a.ts', 'other/b.ts')],
  'every-folder-has-a-law': [{ 'src/helpers/a.ts': uses('./b.ts'), 'src/helpers/b.ts': plain }],
  'decisions-are-pure': [
    oneImport('src/node/domain/decide.ts', 'src/ports/b.ts'),
    oneImport('src/node/domain/decide.ts', 'src/schema/b.ts'),
    oneImport('src/coordinator/handover/plan.ts', 'src/coordinator/b.ts'),
    { 'src/node/decide.ts': "import { setTimeout } from 'node:timers/promises'\nexport const y = setTimeout\n" },
  ],
  'decisions-reach-no-effect': [
    {
      'src/node/domain/decide.ts': uses('./rules.ts'),
      'src/node/domain/rules.ts': "import { x } from '../../ports/b.ts'\nexport { x }\n",
      'src/ports/b.ts': plain,
    },
    {
      'src/node/domain/plan.ts': uses('./rules.ts'),
      'src/node/domain/rules.ts': "import { hrtime } from 'node:process'\nexport const x = hrtime\n",
    },
  ],
  'fakes-are-for-tests': [
    { 'src/adapters/a.ts': uses('./fake/store.ts'), 'src/adapters/fake/store.ts': plain },
    oneImport('src/bin/a.ts', 'src/adapters/fake/store.ts'),
  ],
  'nobody-imports-bin': [
    oneImport('src/adapters/a.ts', 'src/bin/b.ts'),
    { 'tools/a.ts': uses('../src/bin/b.ts'), 'src/bin/b.ts': plain },
  ],
  'native-behind-adapters': [oneImport('src/node/a.ts', 'native/libvirt/index.ts')],
  'product-knows-no-test': [oneImport('src/bin/a.ts', 'test/unit/b.ts'), oneImport('src/bin/a.ts', 'tools/b.ts')],
  'no-development-library': [{ 'src/adapters/a.ts': "import fc from 'fast-check'\nexport const y = fc\n" }],
  'no-cycle': [
    {
      'src/base/a.ts': "import { y } from './b.ts'\nexport const x = () => y\n",
      'src/base/b.ts': "import { x } from './a.ts'\nexport const y = () => x\n",
    },
  ],
  'no-missing-file': [{ 'src/base/a.ts': uses('./gone.ts') }],
}

/** A tree in which every folder uses everything it may: nothing may fire on it. */
export const lawful: Tree = {
  'src/base/a.ts': plain,
  'src/model/a.ts': "import { x } from '../base/a.ts'\nimport { z } from 'zod'\nexport const y = z.literal(x)\n",
  'src/schema/a.ts': "import { y } from '../model/a.ts'\nimport { z } from 'zod'\nexport const k = z.array(y)\n",
  'src/contract/a.ts': "import { y } from '../model/a.ts'\nimport { z } from 'zod'\nexport const r = z.array(y)\n",
  'src/ports/a.ts': "import type { k } from '../schema/a.ts'\nexport type P = typeof k\n",
  'src/view/a.ts': "import type { P } from '../ports/a.ts'\nexport type V = P\n",
  'src/node/domain/rules.ts': "import { y } from '../../model/a.ts'\nexport const rule = y\n",
  'src/node/domain/decide.ts':
    "import { x } from '../../base/a.ts'\nimport { rule } from './rules.ts'\nexport const d = [x, rule]\n",
  'src/node/start.ts':
    "import type { V } from '../view/a.ts'\nimport { d } from './domain/decide.ts'\nexport const s: [V?, unknown?] = [undefined, d]\n",
  'src/operations/vm.ts': "import type { V } from '../view/a.ts'\nexport type O = V\n",
  'src/worker/start.ts': "import type { O } from '../operations/vm.ts'\nexport type W = O\n",
  'src/api/app.ts':
    "import { createHash } from 'node:crypto'\nimport fastify from 'fastify'\nimport { r } from '../contract/a.ts'\nimport type { O } from '../operations/vm.ts'\nexport const a: [O?, ...unknown[]] = [undefined, createHash, fastify, r]\n",
  'src/cli/program.ts':
    "import { hostname } from 'node:os'\nimport { setTimeout } from 'node:timers/promises'\nimport { Command } from 'commander'\nimport { r } from '../contract/a.ts'\nexport const c = [hostname, setTimeout, Command, r]\n",
  'src/adapters/log/pino.ts':
    "import { pino } from 'pino'\nimport type { P } from '../../ports/a.ts'\nimport { open } from '../../../native/libvirt/index.ts'\nexport const l: [P?, ...unknown[]] = [undefined, pino, open]\n",
  'src/adapters/fake/store.ts': "import type { P } from '../../ports/a.ts'\nexport type F = P\n",
  'src/bin/pvcnoded.ts':
    "import { l } from '../adapters/log/pino.ts'\nimport { s } from '../node/start.ts'\nexport const main = [l, s]\n",
  'native/libvirt/index.ts': 'export const open = 1\n',
  'test/unit/a.test.ts':
    "import type { F } from '../../src/adapters/fake/store.ts'\nimport { main } from '../../src/bin/pvcnoded.ts'\nexport const t: [F?, unknown?] = [undefined, main]\n",
}
