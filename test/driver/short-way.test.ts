/** Single pages mapped and unmapped in one go, against the steps that they stand for. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DriverCpu } from '../../src/driver/cpu.ts';
import type { DmaDomain } from '../../src/driver/domain.ts';
import type { KernelEra } from '../../src/spec.ts';
import { type TestDriver, testDriver } from '../support/driver.ts';

/** `domain` with every page going the way of ranges. */
function withoutShortWays(domain: DmaDomain): void {
  Object.assign(domain, {
    unmapPage: () => false,
    mapPage(cpu: DriverCpu, physicalPage: number, prot: number): number {
      const iovaPage = domain.reserve(cpu, 1);
      return domain.mapAt(cpu, iovaPage, physicalPage, 1, prot) ? iovaPage : -1;
    },
  });
}

const step = fc.record({
  core: fc.nat(1),
  unmaps: fc.boolean(),
  which: fc.nat(63),
  // No whole picoseconds: sums must be made in the same order.
  delayPs: fc.double({ min: 0, max: 300_000, noNaN: true }),
});

function run(driver: TestDriver, steps: readonly { core: number; unmaps: boolean; which: number; delayPs: number }[]) {
  const mappers = [driver.mapper, driver.secondMapper()];
  const mapped: number[] = [];
  const seen: unknown[] = [];
  let nowPs = 0;
  for (const { core, unmaps, which, delayPs } of steps) {
    nowPs += delayPs;
    const mapper = mappers[core];
    mapper.work(nowPs, 0.3);
    if (unmaps && mapped.length > 0) mapper.unmap(mapped.splice(which % mapped.length, 1)[0], 1);
    else mapped.push(mapper.map(1000 + which, 1, 2));
    for (const { queue } of driver.units) queue.process(nowPs);
    seen.push(mapper.cpuFreePs, mapped.at(-1));
  }
  const locks = driver.units.map(({ lock }) => lock.freePs);
  const cores = driver.cores.map(({ freePs, spentPs }) => [freePs, spentPs]);
  return { seen, locks, cores, accounts: mappers.map(({ account }) => account) };
}

it.each<KernelEra>(['amd-6.1', 'amd-7.2', 'intel-6.1', 'intel-6.12'])('books the same times and counts: %s', (era) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const [short, long] = [testDriver('strict', { era }), testDriver('strict', { era })];
      withoutShortWays(long.domain);
      expect(run(short, steps)).toEqual(run(long, steps));
    }),
    { numRuns: 40 },
  );
});
