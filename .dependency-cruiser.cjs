/**
 * The import law: which folder may import which. Everything not listed is forbidden.
 * test/arch/law.test.ts proves that each rule fires and that every source file was seen.
 */

/** @type {Record<string, { may: string[], libraries?: string[], node?: true | string[] }>} */
const law = {
  base: { may: [] },
  model: { may: ['base'], libraries: ['zod', 'ipaddr.js'] },
  schema: { may: ['base', 'model'], libraries: ['zod'] },
  contract: { may: ['base', 'model'], libraries: ['zod'] },
  // node:stream for the type of a connection.
  ports: { may: ['base', 'model', 'schema'], node: ['stream'] },
  view: { may: ['base', 'model', 'schema', 'ports'] },
  node: { may: ['base', 'model', 'schema', 'ports', 'view'] },
  coordinator: { may: ['base', 'model', 'schema', 'ports', 'view'] },
  fence: { may: ['base', 'model', 'schema', 'ports', 'view'] },
  console: { may: ['base', 'model', 'schema', 'ports', 'view'] },
  operations: { may: ['base', 'model', 'schema', 'ports', 'view'] },
  worker: { may: ['base', 'model', 'schema', 'ports', 'operations'] },
  // node:crypto for hashing and constant-time comparison of tokens, node:stream and node:http for answers that last.
  api: {
    may: ['base', 'model', 'contract', 'ports', 'operations', 'view'],
    libraries: ['fastify', '@fastify/[^/]+', 'zod'],
    node: ['crypto', 'http', 'stream'],
  },
  cli: { may: ['base', 'model', 'contract'], libraries: ['commander', 'ws', 'zod'], node: true },
  adapters: { may: ['base', 'model', 'schema', 'ports'], libraries: ['.+'], node: true },
  bin: { may: ['.+'], libraries: ['.+'], node: true },
}

/** One rule per folder: whatever it imports is itself, a folder it may use, a library it may use, or an allowed part of Node. */
function folderRule([folder, { may, libraries = [], node = [] }]) {
  const allowed = [`^src/(${[folder, ...may].join('|')})/`]
  if (libraries.length > 0) allowed.push(`(^|/)node_modules/(@types/)?(${libraries.join('|')})/`)
  if (node === true)
    allowed.push('^[a-z_:/]+$') // a built-in resolves to its bare name, a file always has a dot
  else if (node.length > 0) allowed.push(`^(node:)?(${node.join('|')})$`)
  if (folder === 'adapters' || folder === 'bin') allowed.push('(^|/)native/')
  return {
    name: `${folder}-imports`,
    severity: 'error',
    comment: `${folder} may import: ${[...may, ...libraries, ...(node === true ? ['node:*'] : node)].join(', ') || 'nothing'}.`,
    from: { path: `^src/${folder}/` },
    to: { pathNot: allowed, couldNotResolve: false },
  }
}

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...Object.entries(law).map(folderRule),
    {
      name: 'every-folder-has-a-law',
      severity: 'error',
      comment: 'A new folder under src needs a line in the table above.',
      from: { path: `^src/(?!(${Object.keys(law).join('|')})/)` },
      to: {},
    },
    {
      name: 'decisions-are-pure',
      severity: 'error',
      comment:
        'decide.ts and plan.ts import base, model and pure files beside them: a decision is tested without a machine.',
      from: { path: '^(src/.+)/(decide|plan)\\.ts$' },
      to: { pathNot: ['^src/(base|model)/', '^$1/'] },
    },
    {
      name: 'decisions-reach-no-effect',
      severity: 'error',
      comment: 'Nor may a file beside a decision carry an effect into it.',
      from: { path: '^src/.+/(decide|plan)\\.ts$' },
      to: {
        path: [
          '^src/(ports|adapters|schema|view|contract)/',
          '^[a-z_:/]+$',
          '(^|/)node_modules/(?!(zod|ipaddr\\.js)/)',
        ],
        reachable: true,
      },
    },
    {
      name: 'fakes-are-for-tests',
      severity: 'error',
      comment: 'A daemon must never run on a fake.',
      from: { path: '^src/', pathNot: '^src/adapters/fake/' },
      to: { path: '^src/adapters/fake/' },
    },
    {
      name: 'nobody-imports-bin',
      severity: 'error',
      comment: 'A composition root is started, not imported.',
      from: { pathNot: '^(src/bin/|test/)' },
      to: { path: '^src/bin/' },
    },
    {
      name: 'native-behind-adapters',
      severity: 'error',
      comment: 'Native code is reached through its adapter; only tests look at it directly.',
      from: { path: '^(src|tools)/', pathNot: '^src/(adapters|bin)/' },
      to: { path: '(^|/)native/|\\.node$' },
    },
    {
      name: 'product-knows-no-test',
      severity: 'error',
      comment: 'What ships does not depend on tests or tools.',
      from: { path: '^src/' },
      to: { path: '^(test|tools)/' },
    },
    {
      name: 'no-development-library',
      severity: 'error',
      comment: 'A library used by the product is a dependency, not a devDependency.',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: '(^|/)node_modules/@types/' },
    },
    { name: 'no-cycle', severity: 'error', comment: 'No cycles anywhere.', from: {}, to: { circular: true } },
    {
      name: 'no-missing-file',
      severity: 'error',
      comment: 'An import that cannot be resolved would escape every rule above.',
      from: {},
      to: { couldNotResolve: true, pathNot: '\\.node$' },
    },
  ],
  options: {
    parser: 'swc', // TypeScript 7 has no API for tools: with the default parser no file would be seen, and nothing reported
    tsPreCompilationDeps: true, // types count as imports
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^test/data/' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mts', '.js', '.cjs', '.mjs', '.json', '.node', '.d.ts'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
