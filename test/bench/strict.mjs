// Maps one page, translates a request to it and unmaps it, in strict mode on one core: allocator, page table, IOTLB miss and
// fill, invalidation command and completion wait.
//   node test/bench/strict.mjs          (also part of npm run bench)
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Kernel } from '../../dist/src/kernel/kernel.js';
import { openWindows } from '../../dist/src/sim/device-tables.js';
import { planMemory } from '../../dist/src/sim/memory-plan.js';
import { TableRules } from '../../dist/src/sim/table-rules.js';
import { UnitSystem } from '../../dist/src/sim/unit-system.js';
import { deviceSpecs, machineSpec, runSpec, tenantSpec, uniformTraffic } from '../support/spec.mjs';

/** Millions a second on one core. */
const FLOOR = 1.5;
const ROUNDS = 1_500_000;
const WRITE = 2;
const WASM_PAGE_BYTES = 65_536;

if (process.argv[1] === fileURLToPath(import.meta.url)) timeStrict(3, console.log);

/** Millions of maps, translations and unmaps a second: the median of `runs`. */
export function timeStrict(runs, log) {
  const kernel = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel.wasm', import.meta.url)));
  rateOnce(kernel); // what V8 compiles while it runs is not the simulator's speed
  const rates = Array.from({ length: runs }, () => rateOnce(kernel)).sort((a, b) => a - b);
  const rate = rates[rates.length >> 1];
  const verdict = rate >= FLOOR ? 'reached' : 'NOT REACHED';
  log(
    `${'map, use, unmap'.padEnd(22)} ${rate.toFixed(2).padStart(6)} M pages/s, strict, one core  floor ${FLOOR}: ${verdict}`,
  );
  return rate;
}

function rateOnce(module) {
  const { mapper, ctx, translate, commands } = build(module);
  const physicalPage = 0x200000; // any page: data pages have no content
  const startedAt = performance.now();
  for (let i = 0; i < ROUNDS; i++) {
    const nowPs = mapper.work(mapper.cpuFreePs, 0);
    const iovaPage = mapper.map(physicalPage, 1, WRITE);
    translate(ctx, iovaPage, WRITE, nowPs);
    mapper.unmap(iovaPage, 1);
    commands.process(mapper.cpuFreePs);
  }
  return ROUNDS / (performance.now() - startedAt) / 1000;
}

/** One unit with one device whose domain is strict. */
function build(module) {
  const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 1 << 20 }) });
  const tenants = [tenantSpec({ policy: 'strict', devices })];
  const spec = runSpec({ machine: machineSpec(), tenants });
  const plan = planMemory(spec);
  const initial = Math.ceil(plan.totalBytes / WASM_PAGE_BYTES) + 1;
  const memory = new WebAssembly.Memory({ initial, maximum: 65_536, shared: true });
  const kernel = new Kernel(module, memory);
  for (const space of plan.spaces) openWindows(kernel, space);
  const unit = new UnitSystem(spec, kernel, new TableRules(kernel, plan.rules, spec), plan, 0);
  const [{ mapper, ctx }] = unit.devices;
  return { mapper, ctx, translate: kernel.exports.translate, commands: unit.commands };
}
