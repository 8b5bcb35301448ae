// Walks tables of every format: alone in its process, and in a process that has walked all the others before.
//   node test/bench/formats.mjs          (also part of npm run bench)
// The kernel reads formats as data, so the second must not be slower; format methods in JavaScript were 10 times slower from
// the fifth format on.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FORMATS } from '../../dist/src/iommu/formats/index.js';
import { Arena, PageTable, TableRule } from '../../dist/src/iommu/page-table.js';
import { createMemory, Kernel, Regions } from '../../dist/src/kernel/kernel.js';

const RUNS = 8;
const LIMIT = 1.3;
const PAGES = 4096;
const WALKS = 200_000;
const ROUNDS = 8;
/** Rounds that the other formats get before. */
const WARM_ROUNDS = 2;
const FIRST_PAGE = 0x40000;
const READ_WRITE = 3;

const [target, warm] = process.argv.slice(2);
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (target === undefined) compareFormats(console.log);
  else console.log(timeFormat(Number(target), warm === 'all'));
}

/** One row a format: ns a walk in both processes, the least of all runs (what disturbs one only lengthens it), and their ratio. */
export function compareFormats(log) {
  const rows = FORMATS.map((format, i) => {
    const alone = [];
    const afterAll = [];
    for (let run = 0; run < RUNS; run++) {
      alone.push(child(i, 'alone'));
      afterAll.push(child(i, 'all'));
    }
    const row = { format: format.name, aloneNs: Math.min(...alone), afterAllNs: Math.min(...afterAll) };
    const ratio = row.afterAllNs / row.aloneNs;
    log(
      `${`walk ${format.name}`.padEnd(22)} ${row.aloneNs.toFixed(1).padStart(6)} ns alone, ${row.afterAllNs.toFixed(1)} ns after all formats, ratio ${ratio.toFixed(2)}  at most ${LIMIT}: ${ratio <= LIMIT ? 'reached' : 'NOT REACHED'}`,
    );
    return { ...row, ratio };
  });
  return rows;
}

function child(index, what) {
  const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), String(index), what]);
  return Number(output.toString());
}

function timeFormat(index, all) {
  const module = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel.wasm', import.meta.url)));
  const kernel = new Kernel(module, createMemory(4096));
  const regions = new Regions(kernel.memory.buffer.byteLength);
  if (all) FORMATS.forEach((_, i) => walk(kernel, buildTable(kernel, regions, FORMATS[i]), WARM_ROUNDS));
  return walk(kernel, buildTable(kernel, regions, FORMATS[index]), ROUNDS);
}

function buildTable(kernel, regions, format) {
  const geometry = format.geometry(format.configurations[0]);
  const arena = Arena.take(kernel, regions, 8 << 20, 0x1_0000_0000n);
  const table = PageTable.create(kernel, regions, arena, new TableRule(kernel, regions, geometry));
  const step = 2 ** (geometry.granuleLog2 - 12);
  for (let i = 0; i < PAGES; i++) {
    // Every second page is left out of physical order, so that no large leaf shortens the walk.
    const failed = table.map(FIRST_PAGE + i * step, 0x200000 + ((i * 2 + 1) % (2 * PAGES)) * step, step, READ_WRITE);
    if (failed !== 0) throw new Error(`${format.name}: map failed with ${failed}`);
  }
  return { at: table.at, step };
}

/** Best of some rounds, ns a walk. */
function walk(kernel, { at, step }, rounds) {
  const { ptLookup } = kernel.exports;
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    for (let i = 0; i < WALKS; i++) {
      if (ptLookup(at, FIRST_PAGE + ((i * 1031) % PAGES) * step) < 0) throw new Error('walk failed');
    }
    best = Math.min(best, ((performance.now() - startedAt) * 1e6) / WALKS);
  }
  return best;
}
