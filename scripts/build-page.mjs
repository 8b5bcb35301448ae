// Bundles the script that makes a report's charts live, with the parts of Vega that charts use, into one file.
//   node scripts/build-page.mjs <folder>
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = process.argv[2];

/** Parts of Vega that draw maps, networks and trees, and its network loader: no chart here needs them. */
const LEFT_OUT = [
  'd3-geo',
  'd3-geo-projection',
  'topojson-client',
  'vega-geo',
  'vega-projection',
  'vega-force',
  'vega-hierarchy',
  'vega-voronoi',
  'vega-wordcloud',
  'vega-label',
  'vega-regression',
  'vega-crossfilter',
];

const CREDITS = `/*! Vega, Vega-Lite: (c) University of Washington Interactive Data Lab, BSD-3-Clause; D3: (c) Mike Bostock, ISC.
The licences stand in full in dist/page/LICENSES.txt of nestwalk. */`;
const NOTHING = '\0nothing';

const bundle = await rolldown({
  input: join(root, 'src/report/html/client/main.ts'),
  platform: 'browser',
  shimMissingExports: true,
  onLog: (level, log, show) => (log.code === 'SHIMMED_EXPORT' ? undefined : show(level, log)),
  resolve: { conditionNames: ['browser', 'import', 'default'] },
  plugins: [
    {
      name: 'left-out',
      resolveId: (id) => (LEFT_OUT.includes(id) ? NOTHING : null),
      load: (id) => (id === NOTHING ? 'export {};' : null),
    },
  ],
});
const { output } = await bundle.write({
  file: join(folder, 'client.js'),
  format: 'iife',
  minify: true,
  comments: false,
  postBanner: CREDITS,
});
await bundle.close();
mkdirSync(folder, { recursive: true });
const font = join(root, 'src/report/charts/fonts');
copyFileSync(join(font, 'DejaVuSans.ttf'), join(folder, 'DejaVuSans.ttf'));
writeFileSync(
  join(folder, 'LICENSES.txt'),
  [readFileSync(join(font, 'LICENSE.txt'), 'utf8'), ...licences()].join('\n\n'),
);

/** The licence of every package that is in the bundle. */
function licences() {
  const packages = new Set(
    output.flatMap(({ moduleIds = [] }) =>
      moduleIds.map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]),
    ),
  );
  return [...packages]
    .filter(Boolean)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((path) => {
      const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
      const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
      return `==== ${name} ${version}\n\n${file === undefined ? '' : readFileSync(join(path, file), 'utf8').trim()}`;
    });
}
