// Puts real results into the documents: runs the scenarios, then rewrites what stands between "begin" and "end" marks.
//   node scripts/readme.mjs [results] [bench]      (both by default)
// README.md and docs/nested-cost.svg show nested-cost, docs/VALIDATION.md shows iotlb-wall, README.md shows the benchmark.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'nestwalk-readme-'));
const wanted = process.argv.length > 2 ? process.argv.slice(2) : ['results', 'bench'];

if (wanted.includes('results')) {
  const nested = runScenario('nested-cost');
  writeFileSync(join(root, 'docs/nested-cost.svg'), barChart(nested.summary));
  replaceBlock('README.md', 'answer', answerBlock(nested));
  replaceBlock('docs/VALIDATION.md', 'iotlb-wall', agreementBlock(runScenario('iotlb-wall')));
}
if (wanted.includes('bench')) replaceBlock('README.md', 'bench', benchBlock());
rmSync(scratch, { recursive: true, force: true });

function runScenario(name) {
  const args = ['bin/nestwalk.js', 'run', name, '--json', '--out', scratch];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 }));
}

function replaceBlock(file, name, text) {
  const path = join(root, file);
  const marks = new RegExp(`(<!-- begin ${name}[^>]*-->\n)[^]*?(<!-- end ${name} -->)`);
  const old = readFileSync(path, 'utf8');
  if (!marks.test(old)) throw new Error(`${file} has no marks for ${name}`);
  writeFileSync(
    path,
    old.replace(marks, (_, begin, end) => `${begin}\n${text.trim()}\n\n${end}`),
  );
}

function answerBlock({ summary, answers }) {
  const columns = {
    mode: (row) => row.point,
    'walk, ns mean': (row) => (row.requests_translated > 0 ? round(row.walk_ns_mean, 1) : '–'),
    'reads a walk': (row) => (row.walks > 0 ? round(row.reads_per_walk, 2) : '–'),
    'translation, ns mean': (row) => (row.requests_translated > 0 ? round(row.translation_ns_mean, 1) : '–'),
    'completion, ns p99': (row) => round(row.completion_ns_p99, 0),
    'throughput, Gbit/s': (row) => round(row.throughput_gbps, 1),
  };
  const sentences = answers.map((answer) => `- ${answer}`).join('\n');
  return `![Table reads a walk and mean translation latency by mode](docs/nested-cost.svg)

The same NIC traffic in five modes (\`npm start\`, Node ${process.versions.node}, the same bytes on your machine):

${markdownTable(columns, summary)}

${sentences}

The cache sizes and latencies of this machine are estimates where AMD publishes none; \`nestwalk list presets\` names each.`;
}

function agreementBlock({ summary, answers }) {
  const { measured } = parse(readFileSync(join(root, 'scenarios/iotlb-wall.yaml'), 'utf8'));
  const blocks = measured.map(({ metric, source, points }) => {
    const rows = summary.filter((row) => row.point in points);
    const error = (row) => `${round((row[metric] / points[row.point] - 1) * 100, 2)} %`;
    const columns = {
      point: (row) => row.point,
      measured: (row) => round(points[row.point], 1),
      simulated: (row) => round(row[metric], 1),
      difference: error,
    };
    return `\`nestwalk run iotlb-wall\`: \`${metric}\` beside ${source}.\n\n${markdownTable(columns, rows)}`;
  });
  return `${blocks.join('\n\n')}\n\n${answers.map((answer) => `- ${answer}`).join('\n')}`;
}

/** As it prints: with the floors, and what the machine has to give. */
function benchBlock() {
  const args = ['test/bench/bench.mjs', '--runs', '1'];
  const output = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return `\`\`\`\n$ npm run bench -- --runs 1\n${output.trim()}\n\`\`\``;
}

/** Headings → cell of a row. */
function markdownTable(columns, rows) {
  const names = Object.keys(columns);
  const lines = [
    names,
    names.map((_, i) => (i === 0 ? '---' : '---:')),
    ...rows.map((row) => names.map((name) => columns[name](row))),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function round(value, digits) {
  return Number(value).toFixed(digits);
}

/** Two panels of bars over the same rows, readable in light and dark. */
function barChart(rows) {
  const panels = [
    { title: 'table reads a walk', value: (row) => row.reads_per_walk ?? 0, x: 140 },
    { title: 'translation, ns mean', value: (row) => row.translation_ns_mean ?? 0, x: 470 },
  ];
  const height = 60 + rows.length * 32;
  const labels = rows.map(
    (row, i) => `<text x="130" y="${66 + i * 32}" text-anchor="end">${escapeXml(row.point)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 ${height}" role="img" font-family="system-ui, sans-serif" font-size="14">
<title>What a nested walk costs: table reads a walk and mean translation latency by mode</title>
<style>
text { fill: #24292f } .bar { fill: #0969da } .title { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #4493f8 } }
</style>
${labels.join('\n')}
${panels.map((panel) => panelBars(panel, rows)).join('\n')}
</svg>
`;
}

function panelBars({ title, value, x }, rows) {
  const widest = Math.max(...rows.map(value), 1e-9);
  const bars = rows.map((row, i) => {
    const width = (value(row) / widest) * 250;
    const y = 48 + i * 32;
    return `<rect class="bar" x="${x}" y="${y}" width="${width.toFixed(1)}" height="24" rx="2"/><text x="${(x + width + 6).toFixed(1)}" y="${y + 18}">${round(value(row), 1)}</text>`;
  });
  return `<text class="title" x="${x}" y="30">${title}</text>\n${bars.join('\n')}`;
}

function escapeXml(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);
}
