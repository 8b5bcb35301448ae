// The import law of docs/ARCHITECTURE.md. Type-only imports count too. Proven on canaries by
// test/architecture/imports.test.ts.

/** What every layer may know: the shared contracts. */
const CONTRACTS = ['src/request.ts', 'src/spec.ts'];
/** The shape of what a run leaves behind, which each part of a system fills in for itself. */
const RESULT = 'src/stats/result.ts';

/** Layer → what it may import besides itself. Anything else inside the tree is forbidden. */
const MAY_IMPORT = {
  'src/lib': [],
  'src/kernel': [],
  'src/stats': ['src/lib', 'src/kernel/layout.ts', ...CONTRACTS],
  'src/iommu': ['src/lib', 'src/kernel', RESULT, ...CONTRACTS],
  // driver/ implements the mapper that device models are handed, and books in memory that the kernel may book in too.
  'src/driver': [
    ...['src/lib', 'src/iommu', 'src/traffic/mapper.ts', 'src/kernel/layout-driver.ts'],
    ...[RESULT, ...CONTRACTS],
  ],
  'src/traffic': ['src/lib', ...CONTRACTS],
  'src/sim': ['src/lib', 'src/kernel', 'src/iommu', 'src/driver', 'src/traffic', 'src/stats', ...CONTRACTS],
  'src/schedule': ['src/lib', 'src/sim', 'src/stats', 'src/kernel/kernel.ts', ...CONTRACTS],
  // Traces are read and checked before a run, with the parser that belongs to the replay device.
  'src/scenario': ['src/lib', 'src/iommu/formats', 'src/traffic/replay', ...CONTRACTS],
  'src/report': ['src/lib', 'src/stats', 'src/kernel/layout.ts', ...CONTRACTS],
  'src/cli': [
    ...['src/lib', 'src/scenario', 'src/schedule', 'src/report', 'src/stats', ...CONTRACTS],
    ...['src/iommu', 'src/kernel/kernel.ts'], // pagetable executes records without a simulation
  ],
  workers: ['src/sim', 'src/schedule', ...CONTRACTS],
};

/** Layers that are pure: no Node, no packages. The same engine runs in a worker, a test or a browser. */
const PURE = ['lib', 'kernel', 'stats', 'iommu', 'driver', 'traffic', 'sim'];

/** Folders of plug-ins → the files in them that are no plug-ins: `index.ts` lists them, the others are what they share. */
const PLUGINS = {
  'src/traffic/devices': [],
  'src/driver/policies': [],
  'src/iommu/formats': ['format', 'bits', 'policies', 'x86', 'compile'],
};

const under = (paths) => paths.map((path) => `^${path.replaceAll('.', '\\.')}($|/)`);

const layerRules = Object.entries(MAY_IMPORT).map(([layer, allowed]) => ({
  name: `layer-${layer.replace('src/', '')}`,
  comment: `${layer} may import: ${['itself', ...allowed].join(', ')}.`,
  severity: 'error',
  from: { path: under([layer]) },
  to: { path: '^(src|workers|bin|test|scripts|dist)/', pathNot: under([layer, ...allowed]) },
}));

const pluginRules = Object.entries(PLUGINS).map(([folder, shared]) => ({
  name: `plugin-${folder.split('/').at(-1)}`,
  comment: `A plug-in imports its contract, lib/ and ${shared.join(', ') || 'nothing here'}, never another plug-in.`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: `^${folder}/index\\.ts$` },
  to: { path: `^${folder}/`, pathNot: `^${folder}/(${shared.join('|') || '-'})\\.ts$` },
}));

export default {
  forbidden: [
    ...layerRules,
    ...pluginRules,
    {
      name: 'contracts-import-nothing',
      severity: 'error',
      from: { path: under(CONTRACTS) },
      to: { path: '.' },
    },
    {
      name: 'pure-below-sim',
      comment: 'From sim/ down there is no Node and no package.',
      severity: 'error',
      from: { path: under(PURE.map((layer) => `src/${layer}`)) },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'not-to-dev-dependency',
      comment: 'What users run needs no development package.',
      severity: 'error',
      from: { path: '^(src|workers|bin)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'not-to-test', severity: 'error', from: { path: '^(src|workers|bin|scripts)/' }, to: { path: '^test/' } },
  ],
  options: {
    // typescript 7 has no JavaScript API that dependency-cruiser could read; swc parses the same syntax.
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
    doNotFollow: { path: ['node_modules', '^dist/'] },
    exclude: { path: '^src/kernel/assembly/' },
  },
};
