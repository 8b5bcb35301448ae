/** A guest whose invalidations exit one by one or in batches, and whose maps are flushed where its unit says NpCache. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignedPieces } from '../../../src/driver/kernel-era.ts';
import { polledAt } from '../../../src/driver/viommu/hypervisor.ts';
import { PROT_READ } from '../../../src/traffic/mapper.ts';
import { COSTS, testDriver, type TestDriverOptions } from '../../support/driver.ts';

const COMMAND_NS = 7;
const WAIT_NS = 200;
const polled = (ns: number): number => Math.ceil(ns / COSTS.completionPollNs) * COSTS.completionPollNs;

function guest(options: TestDriverOptions = {}) {
  const driver = testDriver('strict', { exits: true, ...options });
  const commands = (): string[] => {
    driver.units[0].queue.process(Infinity);
    return driver.units[0].cache.log;
  };
  return { ...driver, commands };
}

describe('a forwarded invalidation', () => {
  it('costs the exit, the command at the real unit, and the wait of the host', () => {
    const { mapper } = guest();
    const iova = mapper.map(0, 1, PROT_READ);
    const fromPs = mapper.cpuFreePs;
    mapper.unmap(iova, 1);
    const exitNs = COSTS.exitNs + polled(2 * COMMAND_NS + WAIT_NS);
    const guestNs = COSTS.unmapNs + COSTS.invalidateSubmitNs + COSTS.iovaFreeNs;
    expect(mapper.cpuFreePs - fromPs).toBe((guestNs + exitNs) * 1000);
    expect(mapper.account).toMatchObject({ vmExits: 1, vmExitsInvalidate: 1, hypervisorPs: exitNs * 1000 });
  });

  it('is sent to the real unit as the guest sent it', () => {
    const { mapper, commands } = guest();
    mapper.unmapAt(0x123, 1);
    expect(commands()).toEqual(['pages 40 123 12 pde']);
  });

  it('leaves maps to the guest', () => {
    const { mapper } = guest();
    for (let i = 0; i < 5; i++) mapper.map(i, 1, PROT_READ);
    expect(mapper.account).toMatchObject({ maps: 5, vmExits: 0, invalidationCommands: 0, hypervisorPs: 0 });
  });
});

describe('a guest under NpCache', () => {
  // Pages 5, 6–7, 8–11, 12: four pieces where the enclosing block would be 16 pages.
  const pieces = ['pages 40 5 12 pde', 'pages 40 6 13 pde', 'pages 40 8 14 pde', 'pages 40 c 12 pde'];

  it('flushes aligned pieces, of maps too, one exit a piece', () => {
    const { mapper, commands } = guest({ npCache: true });
    mapper.mapAt(5, 100, 8, PROT_READ);
    expect(commands()).toEqual(pieces);
    mapper.unmapAt(5, 8);
    expect(commands()).toEqual([...pieces, ...pieces]);
    expect(mapper.account).toMatchObject({ invalidationCommands: 8, vmExits: 8, vmExitsInvalidate: 8 });
  });

  it('may hand the pieces of one flush on in one exit', () => {
    const { mapper, commands } = guest({ npCache: true, batched: true });
    mapper.mapAt(5, 100, 8, PROT_READ);
    mapper.unmapAt(5, 8);
    expect(commands()).toEqual([...pieces, ...pieces]);
    expect(mapper.account).toMatchObject({ invalidationCommands: 8, vmExits: 2, vmExitsInvalidate: 2 });
    expect(mapper.account.hypervisorPs).toBe(2 * (COSTS.exitNs + polled(5 * COMMAND_NS + WAIT_NS)) * 1000);
  });

  it('sends nothing for what is mapped before the run', () => {
    const { mapper, commands } = guest({ npCache: true });
    mapper.mapStaticAt(5, 100, 8, PROT_READ);
    expect(commands()).toEqual([]);
    expect(mapper.account).toMatchObject({ invalidationCommands: 0, vmExits: 0, completionWaits: 0, cpuPs: 0 });
  });
});

describe('aligned pieces', () => {
  /** amd_iommu_domain_flush_pages of Linux 5.15, with NpCache, line by line. */
  function linux(page: number, pages: number): [number, number][] {
    const sent: [number, number][] = [];
    let address = BigInt(page) << 12n;
    let size = BigInt(pages) << 12n;
    const ffs = (x: bigint): number => (x & -x).toString(2).length - 1;
    const fls = (x: bigint): number => x.toString(2).length - 1;
    while (size !== 0n) {
      const alignment = address === 0n ? fls(size) : Math.min(ffs(address), fls(size));
      sent.push([Number(address >> 12n), alignment]);
      address += 1n << BigInt(alignment);
      size -= 1n << BigInt(alignment);
    }
    return sent;
  }

  it('are those of Linux', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 20 }), (page, pages) => {
        expect([...alignedPieces(page, pages)]).toEqual(linux(page, pages));
      }),
      { numRuns: 200 },
    );
  });
});

describe('polling', () => {
  it.each([
    [100, 50, 10, 100],
    [100, 100, 10, 100],
    [100, 101, 10, 110],
    [100, 110, 10, 110],
    [100, 107, 0, 107],
  ])('from %i on for %i, every %i, ends at %i', (from, at, every, end) => expect(polledAt(from, at, every)).toBe(end));
});
