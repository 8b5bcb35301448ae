// What miss-ratio curves cost: the same runs plain and with curves, in turn; fails when curves take more than three plain runs.
//   node test/bench/mrc.mjs [--runs 3] [--json]
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { simulate } from '../../dist/src/sim/simulate.js';
import { deviceSpecs, runLimits, runSpec, stageSpec, tenantSpec, uniformTraffic } from '../support/spec.mjs';

const LIMIT = 3;
const REQUESTS = 1_000_000;
const MIB = 1 << 20;
const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' }, json: { type: 'boolean' } } });
const module = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel.wasm', import.meta.url)));

const window = (windowBytes, model = {}) => ({ ...uniformTraffic({ windowBytes, outstanding: 16 }), ...model });
const nested = { mode: 'nested', host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 4), memoryBytes: 2 ** 30 };
const CASES = {
  'all hit': { devices: deviceSpecs(1, { traffic: window(MIB) }) },
  'one stage, misses': { devices: deviceSpecs(1, { traffic: window(256 * MIB) }) },
  'nested, misses': { ...nested, devices: deviceSpecs(1, { traffic: window(256 * MIB) }) },
  zipf: { devices: deviceSpecs(4, { traffic: window(256 * MIB, { model: 'zipf', exponent: 1.1 }) }) },
};

const results = Object.entries(CASES).map(([name, tenant]) => {
  const spec = (mrc) =>
    runSpec({ tenants: [tenantSpec(tenant)], run: runLimits({ requests: REQUESTS, ...(mrc && { mrc }) }) });
  const kinds = { plain: spec(), exact: spec(options(262_144)), sampled: spec(options(8192)) };
  const ns = best(kinds);
  return { name, ...ns, ratio: ns.exact / ns.plain, sampledRatio: ns.sampled / ns.plain };
});
report();

/** As the command asks: the scenario's own number of sets too. */
function options(sampleKeys) {
  return { sampleKeys, setCounts: [64], ways: 32 };
}

/** ns of CPU time a request, which other work on the machine disturbs less than wall time; each kind's best of the runs. */
function best(kinds) {
  const ns = {};
  for (let i = 0; i < Number(values.runs); i++) {
    for (const [kind, spec] of Object.entries(kinds)) {
      const from = process.cpuUsage();
      simulate(spec, module);
      const { user, system } = process.cpuUsage(from);
      ns[kind] = Math.min(ns[kind] ?? Infinity, ((user + system) * 1000) / REQUESTS);
    }
  }
  return ns;
}

function report() {
  if (values.json) console.log(JSON.stringify(results));
  else for (const each of results) console.log(line(each));
  process.exitCode = results.some(({ ratio, sampledRatio }) => ratio > LIMIT || sampledRatio > LIMIT) ? 1 : 0;
}

function line({ name, plain, exact, sampled, ratio, sampledRatio }) {
  const times = `plain ${plain.toFixed(0)} ns a request, curves ${exact.toFixed(0)} (${ratio.toFixed(2)} times)`;
  return `${name.padEnd(18)} ${times}, sampled ${sampled.toFixed(0)} (${sampledRatio.toFixed(2)} times)`;
}
