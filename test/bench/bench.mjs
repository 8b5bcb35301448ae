// Times the real engine on fixed cases, each from set-up to result, beside the floors that one core must reach.
//   npm run bench -- [--runs 3] [--only name] [--json]        Never a test: it prints, people compare.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { C_READS } from '../../dist/src/kernel/layout.js';
import { runAll } from '../../dist/src/schedule/index.js';
import { simulate } from '../../dist/src/sim/simulate.js';
import { CASES, DENSE, FOUR_UNITS } from './cases.mjs';
import { compareFormats } from './formats.mjs';
import { compareOptions } from './options.mjs';
import { timeStrict } from './strict.mjs';
import { timeYardstick } from './yardstick/index.mjs';

const READ_COUNTERS = 16;
const TABLE_BYTES = 4096;
const FLOOR_BYTES_PER_PAGE = 9;
const FLOOR_TWO_THREADS = 1.7;

const flags = { runs: { type: 'string', default: '3' }, only: { type: 'string' }, json: { type: 'boolean' } };
const { values } = parseArgs({ options: flags });
const runs = Math.max(1, Number(values.runs));
const kernel = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel.wasm', import.meta.url)));
const log = values.json ? () => {} : console.log;

log(`Node ${process.versions.node}, ${cpus()[0].model.trim()}, medians of ${runs} runs\n`);
const wanted = ({ name }) => values.only === undefined || name.includes(values.only);
const cases = CASES.filter(wanted).map(timeCase);
const mapsPerMicrosecond = wanted({ name: 'map, use, unmap' }) ? timeStrict(runs, log) : undefined;
const bytesPerPage = wanted({ name: 'memory' }) ? measureMemory() : undefined;
const twoThreads = wanted({ name: 'two threads' }) ? await timeThreads() : undefined;
const options = wanted({ name: 'options' }) ? compareOptions(runs, kernel, log) : undefined;
const formats = wanted({ name: 'formats' }) ? compareFormats(log) : undefined;
if (values.json)
  console.log(
    JSON.stringify({
      node: process.versions.node,
      runs,
      cases,
      mapsPerMicrosecond,
      bytesPerPage,
      twoThreads,
      options,
      formats,
    }),
  );

function timeCase({ name, what, spec, unit, floor, yardstick }) {
  const rates = [];
  const plain = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    const result = simulate(spec, kernel);
    const seconds = (performance.now() - startedAt) / 1000;
    rates.push({ ...count(result, spec), seconds });
    if (yardstick !== undefined) plain.push(timeYardstick(yardstick));
  }
  const { requests, reads, seconds } = median(rates, (rate) => rate.seconds);
  const row = { name, what, requestsPerSecond: requests / seconds, readsPerSecond: reads / seconds, seconds };
  const reached = unit === 'reads' ? row.readsPerSecond : row.requestsPerSecond;
  const floorText =
    floor === undefined ? '' : `  floor ${floor} M ${unit}/s: ${reached >= floor * 1e6 ? 'reached' : 'NOT REACHED'}`;
  log(
    `${name.padEnd(22)} ${millions(row.requestsPerSecond)} M requests/s ${millions(row.readsPerSecond)} M reads/s${floorText}${besideYardstick(reached, unit, plain, yardstick)}`,
  );
  return row;
}

/** How fast a plain program of the same kind is on this machine, and what the floor is as a part of that. */
function besideYardstick(reached, unit, plain, yardstick) {
  if (yardstick === undefined) return '';
  const rate = median(plain, (one) => one[`${unit}PerSecond`])[`${unit}PerSecond`];
  const isReached = reached >= yardstick.share * rate;
  return `\n${''.padEnd(22)} ${(reached / rate).toFixed(2)} of the yardstick's ${(rate / 1e6).toFixed(1)}, floor ${yardstick.share}: ${isReached ? 'reached' : 'NOT REACHED'}`;
}

/** Requests of the whole run, and table reads scaled from the counted part to it: warm-up takes time too. */
function count({ devices }, { run }) {
  let measured = 0;
  let reads = 0;
  for (const device of devices) {
    measured += device.requests;
    for (let i = 0; i < READ_COUNTERS; i++) reads += device.counters[C_READS + i];
  }
  const requests = measured + run.warmupRequests;
  return { requests, reads: (reads * requests) / measured };
}

/** Table memory of a dense mapping. */
function measureMemory() {
  const { units } = simulate(DENSE, kernel);
  const sum = (field) => units.reduce((total, unit) => total + unit[field], 0);
  const bytes = (sum('tablePages') * TABLE_BYTES) / sum('mappedPages');
  log(
    `${'memory'.padEnd(22)} ${bytes.toFixed(2).padStart(6)} bytes a mapped 4 KiB page${verdict(bytes <= FLOOR_BYTES_PER_PAGE, 'at most', FLOOR_BYTES_PER_PAGE)}`,
  );
  return bytes;
}

/** One and two threads in turn, so that a busy machine slows both. */
async function timeThreads() {
  const seconds = { one: [], two: [] };
  for (let run = 0; run < runs; run++) {
    seconds.one.push(await timeAll(1));
    seconds.two.push(await timeAll(2));
  }
  const one = median(seconds.one, Number);
  const two = median(seconds.two, Number);
  const cores = availableParallelism();
  log(
    `${'two threads'.padEnd(22)} ${(one / two).toFixed(2).padStart(6)} times as fast as one on four units (${cores} cores)${verdict(one / two >= FLOOR_TWO_THREADS, 'floor', FLOOR_TWO_THREADS)}`,
  );
  return { ratio: one / two, oneSeconds: one, twoSeconds: two };
}

async function timeAll(threads) {
  const startedAt = performance.now();
  await runAll([FOUR_UNITS], { threads });
  return (performance.now() - startedAt) / 1000;
}

function verdict(isReached, word, floor) {
  return `  ${word} ${floor}: ${isReached ? 'reached' : 'NOT REACHED'}`;
}

function median(list, key) {
  return list.toSorted((a, b) => key(a) - key(b))[list.length >> 1];
}

function millions(perSecond) {
  return (perSecond / 1e6).toFixed(2).padStart(7);
}
