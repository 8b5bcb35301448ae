/**
 * The whole unit against the slow reference unit: random machines, devices of every mode, tables that change under the
 * caches, faulty requests, invalidations of every kind. They must agree on each request's time, fault and target, on every
 * counter, on the fault log and on what each invalidation drops.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageTable } from '../../src/iommu/page-table.ts';
import * as L from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec, IndexFunction, IotlbPart, MachineSpec, Replacement } from '../../src/spec.ts';
import {
  DEVICES,
  GUEST_BASE_PAGE,
  type Guest,
  lru,
  machineOf,
  NO_CACHE,
  type Requester,
  World,
} from '../kernel/world.ts';

const READ_WRITE = 3;
const PAGES_2M = 512;
/** Pages of an address space. */
const WHOLE_LOG2 = 52;
/** Clusters of input pages: near each other, in other tables of each level, and the last of 2 MiB. */
const CLUSTERS = [0, 1000, PAGES_2M * 40, 2 ** 18 * 3, 2 ** 27 * 2 + 7];

// ---- Machines ------------------------------------------------------------------------------------------------------------

const replacement = fc.constantFrom<Replacement>('lru', 'lru', 'lru', 'fifo', 'random', 'plru', 'srrip', 'lfu');
const index = fc.constantFrom<IndexFunction>('modulo', 'shifted', 'hash');

/**
 * Two choices are not made: tree-PLRU needs a power of two of ways; and random replacement of a wide set depends on the order
 * in which an invalidation empties its ways, which nobody promises.
 */
function isLegal(policy: Replacement, ways: number): boolean {
  if (policy === 'plru') return (ways & (ways - 1)) === 0;
  return policy !== 'random' || ways <= L.CACHE_SCAN_WAYS;
}

/** Minimum shares of three tenants, tenant 1 without one; something is left for all. */
function partitionOf(by: 'ways' | 'sets', places: number, shares: readonly number[]): Pick<CacheSpec, 'partition'> {
  const first = Math.floor((places - 1) * shares[0]);
  const third = Math.floor((places - 1 - first) * shares[1]);
  return first + third === 0 ? {} : { partition: { by, minimum: [first, 0, third] } };
}

/** The same, and in every other case divided among tenants where it has room for that. */
function shared(sizes: readonly (readonly [number, number])[]): fc.Arbitrary<CacheSpec> {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  return fc
    .tuple(cache(sizes), fc.constantFrom('none', 'ways', 'sets'), fc.tuple(share, share))
    .map(([spec, by, shares]) => {
      if (by === 'none' || spec.entries === 0) return spec;
      const places = by === 'ways' ? spec.ways : spec.entries / spec.ways;
      return { ...spec, ...partitionOf(by, places, shares) };
    });
}

function cache(sizes: readonly (readonly [number, number])[]): fc.Arbitrary<CacheSpec> {
  const spec = fc.tuple(fc.constantFrom(...sizes), replacement, index).map(([[sets, ways], policy, index]) => {
    return { entries: sets * ways, ways, replacement: isLegal(policy, ways) ? policy : ('lru' as const), index };
  });
  return fc.oneof({ weight: 5, arbitrary: spec }, { weight: 1, arbitrary: fc.constant(NO_CACHE) });
}

const SMALL = [
  [1, 1],
  [1, 2],
  [2, 2],
  [1, 5],
  [3, 2],
  [4, 4],
] as const;
const MIXED = [...SMALL, [8, 4], [1, 24], [5, 3], [2, 17], [2, 8]] as const;
const PLAIN = [
  [1, 1],
  [1, 2],
  [2, 2],
  [1, 5],
  [4, 4],
  [1, 12],
  [2, 8],
  [1, 16],
  [1, 17],
  [2, 20],
  [1, 40],
] as const;
/** Half of the machines have line caches of eight ways, and a third no walk caches and no nested TLB; another third has plain ones: the kernel has ways of its own. */
const LINES = [...MIXED, [1, 8], [2, 8], [4, 8], [16, 8], [4, 8], [16, 8]] as const;

/** In LRU or FIFO order, indexed by the lowest bits: the kernel looks walk caches and nested TLBs of this kind up in ways of its own. */
const plain: fc.Arbitrary<CacheSpec> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom(...PLAIN), fc.constantFrom('lru', 'lru', 'fifo')).map(plainOf) },
  { weight: 1, arbitrary: fc.constant(NO_CACHE) },
);

function plainOf([[sets, ways], replacement]: [readonly [number, number], Replacement]): CacheSpec {
  return { entries: sets * ways, ways, replacement, index: 'modulo' };
}

const plainWalks = fc.record({
  walkCaches: fc.record({ guest: fc.array(plain, { maxLength: 4 }), host: fc.array(plain, { maxLength: 5 }) }),
  nestedTlb: plain,
  lineCache: fc.constantFrom(NO_CACHE, lru(8), lru(16, 8), lru(128, 8)),
  prefetchPages: fc.constant(0),
});

/** The parts that have entries and leaf sizes. */
function splitOf(parts: readonly CacheSpec[], classes: number): { split?: IotlbPart[] } {
  const split = parts.flatMap((spec, i) => (spec.entries > 0 && i + 1 < classes ? [{ level: i + 1, ...spec }] : []));
  return split.length === 0 ? {} : { split };
}

const anyMachine: fc.Arbitrary<MachineSpec> = fc
  .record({
    iotlb: shared(MIXED),
    l1: fc.oneof({ weight: 2, arbitrary: fc.constant(NO_CACHE) }, { weight: 1, arbitrary: cache(SMALL) }),
    leafLog2: fc.constantFrom([12, 21, 30], [12, 21], [12]),
    level1: fc.oneof({ weight: 2, arbitrary: fc.constant(NO_CACHE) }, { weight: 1, arbitrary: shared(MIXED) }),
    level2: fc.oneof({ weight: 2, arbitrary: fc.constant(NO_CACHE) }, { weight: 1, arbitrary: cache(SMALL) }),
    guestWalk: fc.array(shared(SMALL), { maxLength: 4 }),
    hostWalk: fc.array(shared(SMALL), { maxLength: 5 }),
    nestedTlb: shared(MIXED),
    deviceCache: cache(MIXED),
    pasidCache: cache(SMALL),
    lineCache: cache(LINES),
    walks: fc.constantFrom('any', 'bare', 'plain'),
    plainWalks,
    walkers: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 20 })),
    walkStartNs: fc.constantFrom(0, 0, 48, 500),
    prefetchPages: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 7 })),
    fracture: fc.boolean(),
    negative: fc.integer({ min: 0, max: 2 }).map((one) => one === 0),
  })
  .map(
    ({
      iotlb,
      l1,
      leafLog2,
      level1,
      level2,
      guestWalk,
      hostWalk,
      nestedTlb,
      walks,
      plainWalks,
      fracture,
      negative,
      ...rest
    }) =>
      machineOf({
        ...rest,
        iotlb: {
          ...iotlb,
          leafLog2,
          ...splitOf([level1, level2], leafLog2.length),
          // A guest's leaf over a hole in the host's table would overlap the hole's own entry.
          fracture: fracture || negative,
          negative,
          l1,
        },
        nestedTlb: walks === 'bare' ? NO_CACHE : nestedTlb,
        walkCaches: walks === 'bare' ? { guest: [], host: [] } : { guest: guestWalk, host: hostWalk },
        ...(walks === 'plain' ? plainWalks : {}),
      }),
  );

/**
 * Misses queue for one walker or two, behind an IOTLB too small for them, so that what a walk finds in walk caches and nested TLB came while it
 * waited, or comes too late for it. The kernel has ways of its own for most of these misses.
 */
const busyMachine: fc.Arbitrary<MachineSpec> = fc
  .record({
    iotlb: fc
      .tuple(fc.constantFrom([1, 1], [2, 2], [4, 2], [1, 8], [2, 16]), fc.constantFrom('lru', 'fifo'))
      .map(plainOf),
    leafLog2: fc.constantFrom([12, 21, 30], [12]),
    walkCaches: fc.oneof(
      fc.record({ guest: fc.array(plain, { maxLength: 4 }), host: fc.array(plain, { minLength: 1, maxLength: 5 }) }),
      fc.record({
        guest: fc.array(cache(SMALL), { maxLength: 4 }),
        host: fc.array(cache(SMALL), { minLength: 1, maxLength: 5 }),
      }),
    ),
    nestedTlb: fc.oneof(plain, cache(SMALL)),
    deviceCache: fc.constant(lru(64, 4)),
    pasidCache: fc.constant(lru(16)),
    lineCache: fc.constantFrom(NO_CACHE, NO_CACHE, lru(8), lru(128, 8), lru(4)),
    walkers: fc.integer({ min: 1, max: 2 }),
    walkStartNs: fc.constantFrom(0, 0, 48, 500),
    negative: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
    prefetchPages: fc.constantFrom(0, 0, 0, 7),
  })
  .map(({ iotlb, leafLog2, negative, ...rest }) =>
    machineOf({ ...rest, iotlb: { ...iotlb, leafLog2, fracture: true, negative, l1: NO_CACHE } }),
  );

interface Play {
  readonly machine: MachineSpec;
  readonly seed: number;
  readonly steps: number;
  /** Pages whose miss causes are told, 0: none. */
  readonly historyPages: number;
  /** Whether unmaps are announced. */
  readonly isLazy: boolean;
}

const seeds = { seed: fc.nat(), steps: fc.integer({ min: 1, max: 500 }) };
const causes = fc.boolean().map((has) => (has ? 1000 : 0));
const play: fc.Arbitrary<Play> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ machine: anyMachine, ...seeds, historyPages: causes, isLazy: fc.boolean() }) },
  // What watches every request takes the general way.
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ machine: busyMachine, ...seeds, historyPages: fc.constantFrom(0, 0, 0, 1000) },
      isLazy: fc.constantFrom(false, false, false, true),
    }),
  },
);

// ---- Domains and devices ---------------------------------------------------------------------------------------------------

interface Domain {
  readonly id: number;
  /** What its devices' DMA maps into: the guest's table, or the only one. */
  readonly table: PageTable;
  readonly host: PageTable;
  readonly guest: Guest | undefined;
  readonly isGuestTable: boolean;
  readonly pasid: number;
}

class Scene {
  readonly world: World;
  readonly domains: Domain[] = [];
  readonly requesters: { readonly requester: Requester; readonly bdf: number; readonly domain: Domain | undefined }[] =
    [];
  private readonly prng: Prng;
  private readonly hasCauses: boolean;
  private readonly isLazy: boolean;
  private now = 0;

  constructor({ machine, seed, historyPages, isLazy }: Play) {
    this.prng = new Prng(seed, 0);
    this.hasCauses = historyPages > 0;
    this.isLazy = isLazy;
    const watchesUnmapped = isLazy;
    const known = this.prng.below(3);
    const guestLevels = known === 0 ? ([5] as const) : ([4, 5] as const);
    this.world = new World(machine, {
      historyPages,
      requesters: 32,
      tableBytes: 3 << 19,
      guestLevels,
      watchesUnmapped,
      tenantOf: new Map([
        [1, 0],
        [2, 1],
        [3, 2],
        [4, 0],
      ]),
    });
    this.addHost(1, 3 + this.prng.below(4));
    this.addFirstStage(2, guestLevels[this.prng.below(guestLevels.length)]);
    this.addNested(3, guestLevels[this.prng.below(guestLevels.length)], 0);
    this.addNested(4, 5, 300);
    this.addOthers();
    for (const domain of this.domains) for (let i = 0; i < 12; i++) this.map(domain);
  }

  private add(bdf: number, pasid: number, domain: Domain | undefined): void {
    this.requesters.push({ requester: this.world.requester(bdf, pasid), bdf, domain });
  }

  private addHost(id: number, levels: number): void {
    const table = this.world.hostTable(levels);
    const domain = { id, table, host: table, guest: undefined, isGuestTable: false, pasid: -1 };
    this.domains.push(domain);
    for (const bdf of [1, 2, 3]) {
      this.world.setDevice(bdf, { domain: id, mode: levels, root: table.rootAddress, write: bdf !== 3 });
      this.add(bdf, -1, domain);
    }
  }

  /** A guest format as the only stage: PASID 0 without one in the request, and a PASID of its own. */
  private addFirstStage(id: number, levels: 4 | 5): void {
    const { world } = this;
    const table = world.guestTable(levels);
    const gcr3 = world.setGcr3(0, 1, 0, table.rootAddress);
    world.setGcr3(0, 1, 7, table.rootAddress);
    const fields = { domain: id, gcr3, glx: 1, giov: true, fiveLevels: levels === 5 };
    for (const pasid of [0, 7]) {
      const domain = { id, table, host: table, guest: undefined, isGuestTable: true, pasid };
      this.domains.push(domain);
      world.setDevice(4, fields);
      this.add(4, pasid === 0 ? -1 : pasid, domain);
    }
  }

  private addNested(id: number, levels: 4 | 5, pasid: number): void {
    const { world } = this;
    const host = world.hostTable(4);
    const guest = world.guest(host, this.prng.chance(0x80000000) ? 21 : 12);
    const table = world.guestTable(levels, guest);
    const glx = this.prng.below(3);
    const gcr3 = world.setGcr3(0, glx, pasid, table.rootAddress, guest);
    const domain = { id, table, host, guest, isGuestTable: true, pasid };
    this.domains.push(domain);
    const root = host.rootAddress;
    for (const bdf of [10 * id, 10 * id + 1]) {
      world.setDevice(bdf, { domain: id, mode: 4, root, gcr3, glx, giov: true, fiveLevels: levels === 5 });
      this.add(bdf, pasid === 0 ? -1 : pasid, domain);
    }
    this.add(10 * id, 511, domain); // a PASID without a table
    world.setDevice(10 * id + 2, { domain: id, mode: 4, root, gcr3, glx: 3, giov: true });
    this.add(10 * id + 2, -1, undefined);
  }

  private addOthers(): void {
    const { world } = this;
    world.setDevice(50, { domain: 9, mode: 0 });
    world.setDevice(51, { domain: 9, valid: false });
    world.setDevice(52, { domain: 9, mode: 7 });
    world.setDevice(53, { domain: 9, read: false });
    world.setDevice(54, { domain: 9, mode: 4, root: 0x123456000n });
    for (const bdf of [50, 51, 52, 53, 54]) this.add(bdf, -1, undefined);
    this.add(50, 3, undefined);
    this.add(DEVICES, -1, undefined);
  }

  private inputPage(): number {
    return CLUSTERS[this.prng.below(CLUSTERS.length)] + this.prng.below(24);
  }

  /** Maps at random: single pages, 2 MiB and 1 GiB leaves, read-only ones; what collides is refused, which is fine. */
  map(domain: Domain): void {
    const { prng } = this;
    this.mapLeaf(domain, this.inputPage(), [12, 12, 12, 12, 13, 21, 30][prng.below(7)]);
  }

  private mapLeaf(domain: Domain, page: number, sizeLog2: number): void {
    const { prng } = this;
    const pages = 2 ** (sizeLog2 - 12);
    const align = (page: number): number => Math.floor(page / pages) * pages;
    const input = align(page);
    const target = align(2 ** 24 + prng.below(2 ** 20));
    const failed = domain.table.mapSize(input, target, sizeLog2, 1, 1 + prng.below(3));
    if (domain.guest !== undefined) this.mapHost(domain, target, pages);
    // Entries of different sizes for one page are a mistake of software's: hardware may use either.
    const { negative = false } = this.world.machine.iotlb;
    if ((failed === 0 && sizeLog2 > 20) || (negative && domain.guest !== undefined)) this.forget(domain);
  }

  /** The data pages' own mapping in the host table, now and then missing. */
  private mapHost(domain: Domain, target: number, pages: number): void {
    const { prng } = this;
    const hostLog2 = [12, 21, 30][prng.below(3)];
    const hostPages = 2 ** (hostLog2 - 12);
    if (prng.chance(0xe0000000)) {
      const gpa = Math.floor(target / hostPages) * hostPages;
      const count = Math.max(1, Math.min(16, pages / hostPages));
      const system = Math.floor((2 ** 28 + prng.below(2 ** 24)) / hostPages) * hostPages;
      domain.host.mapSize(gpa, system, hostLog2, count, prng.chance(0xe0000000) ? READ_WRITE : 1);
    }
  }

  /** Drops all that is cached of a domain. */
  private forget({ id }: Domain): void {
    this.world.unit.invalidatePages(id, -1, 0, WHOLE_LOG2, true);
    this.world.reference.invalidatePages(id, -1, 0, WHOLE_LOG2, true);
  }

  /** A lazy unmap says when the table was cleared: now, or when the core will have got there. */
  unmap(domain: Domain): void {
    // A few pages, or all of a table, whose place a larger leaf may take then.
    const isTable = this.prng.below(3) === 0;
    const input = this.inputPage();
    const pages = isTable ? PAGES_2M : 1 + this.prng.below(4);
    const page = isTable ? input - (input % PAGES_2M) : input;
    domain.table.unmap(page, pages);
    if (this.isLazy) this.noteUnmapped(domain, page, pages);
    if (isTable && this.prng.below(2) === 0) this.mapLeaf(domain, page, 21);
  }

  private noteUnmapped(domain: Domain, page: number, pages: number): void {
    const { unit, reference } = this.world;
    const pasid = domain.isGuestTable ? domain.pasid : -1;
    const atPs = this.now + this.prng.below(2) * 1_000_000;
    const marked = this.prng.below(16) === 0 ? 2 ** 20 : pages;
    unit.noteUnmapped(domain.id, pasid, page, marked, atPs);
    reference.noteUnmapped(domain.id, pasid, page, marked, atPs);
  }

  /** Moves a guest's table page or a data page to nowhere: the host unmaps it. */
  private unmapHost(domain: Domain): void {
    if (domain.guest !== undefined && this.prng.below(8) === 0)
      domain.host.unmap(2 ** 24 + this.prng.below(2 ** 20), 1);
  }

  request(): string | undefined {
    const { prng, world } = this;
    const { requester } = this.requesters[prng.below(this.requesters.length)];
    const page = prng.below(60) === 0 ? prng.below(2 ** 36) * 2 ** prng.below(17) : this.inputPage();
    const access = 1 + prng.below(3);
    // Mostly dense in time, so that walks overlap; now and then later than all of them.
    this.now += prng.below(20) === 0 ? 50_000_000 : prng.below(3) * prng.below(200_000);
    const expected = world.expected(requester, page, access, this.now);
    const actual = world.translate(requester, page, access, this.now);
    return difference(`bdf ${requester.reference.bdf} page ${page} access ${access}`, actual, expected);
  }

  /** One device asks for pages of one table, all at once: they wait for walkers, and for each other's walks. */
  crowd(): string | undefined {
    const { prng, world } = this;
    const { requester } = this.requesters[prng.below(8)];
    const first = CLUSTERS[prng.below(CLUSTERS.length)];
    for (let i = 0; i < 12; i++) {
      const page = first + prng.below(24);
      this.now += prng.below(40_000);
      const expected = world.expected(requester, page, 1, this.now);
      const wrong = difference(`crowd page ${page}`, world.translate(requester, page, 1, this.now), expected);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** The same page by the same device, over and over: the way that most requests of a run take. */
  burst(): string | undefined {
    const { prng, world } = this;
    const { requester } = this.requesters[prng.below(8)];
    const pages = [this.inputPage(), this.inputPage(), this.inputPage()];
    for (let i = 0; i < 12; i++) {
      const page = pages[prng.below(3)];
      this.now += prng.below(2_000_000);
      const expected = world.expected(requester, page, 1, this.now);
      const wrong = difference(`burst page ${page}`, world.translate(requester, page, 1, this.now), expected);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  invalidate(): string | undefined {
    const { prng, world } = this;
    const domain = this.domains[prng.below(this.domains.length)];
    const { unit, reference } = world;
    const pde = prng.chance(0x80000000);
    const pasid = domain.isGuestTable && prng.below(4) !== 0 ? domain.pasid : -1;
    const pagesLog2 = [0, 0, 1, 4, 6, 9, 18, WHOLE_LOG2][prng.below(8)];
    const page = pasid < 0 && domain.isGuestTable ? GUEST_BASE_PAGE + prng.below(600) : this.inputPage();
    switch (prng.below(8)) {
      case 0:
        return difference('all', unit.invalidateAll(), reference.invalidateAll());
      case 1:
      case 2: {
        const { bdf } = this.requesters[prng.below(this.requesters.length)];
        return difference(`device ${bdf}`, unit.invalidateDevice(bdf), reference.invalidateDevice(bdf));
      }
      case 3: {
        const id = prng.below(4) === 0 ? -1 : domain.id;
        const dropped = difference(
          `pasid ${pasid} of domain ${id}`,
          unit.invalidatePasid(id, pasid),
          reference.invalidatePasid(id, pasid),
        );
        return dropped;
      }
      default:
        return difference(
          `pages of domain ${domain.id} pasid ${pasid} page ${page} log2 ${pagesLog2} pde ${pde}`,
          unit.invalidatePages(domain.id, pasid, page, pagesLog2, pde),
          reference.invalidatePages(domain.id, pasid, page, pagesLog2, pde),
        );
    }
  }

  change(): undefined {
    const domain = this.domains[this.prng.below(this.domains.length)];
    if (this.prng.chance(0x80000000)) this.map(domain);
    else this.unmap(domain);
    this.unmapHost(domain);
    return undefined;
  }

  /** Everything that is counted, at the end. */
  counts(): string | undefined {
    const { unit, reference } = this.world;
    const wrong =
      difference('fault log', unit.drainFaults(), reference.faults) ??
      difference('log overflow', unit.logOverflow, reference.logOverflow);
    if (wrong !== undefined) return wrong;
    for (const { requester } of this.requesters) {
      const actual = this.world.counters(requester);
      const sums = difference('sums', sumsOf(actual, this.hasCauses), {
        hitsAndMisses: 0,
        walksAndMerged: 0,
        causes: 0,
      });
      if (sums !== undefined) return sums;
      for (let c = 0; c < L.COUNTERS; c++) {
        const found = difference(
          `counter ${c} of bdf ${requester.reference.bdf}`,
          actual[c],
          requester.reference.counters[c],
        );
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

/** By how much the counts of a requester break the rules of sums. */
function sumsOf(counters: Float64Array, hasCauses: boolean): Record<string, number> {
  const sum = (first: number, slots: number): number =>
    counters.subarray(first, first + slots).reduce((a, b) => a + b, 0);
  const misses = counters[L.C_MISSES];
  return {
    hitsAndMisses: counters[L.C_LOOKUPS] - sum(L.C_HITS, 4) - misses,
    walksAndMerged: misses - counters[L.C_WALKS] - counters[L.C_MERGED],
    causes: hasCauses ? misses - sum(L.C_COLD, 4) : 0,
  };
}

function difference(what: string, actual: unknown, expected: unknown): string | undefined {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  return a === e ? undefined : `${what}: unit ${a}, reference ${e}`;
}

const STEPS = [
  'request',
  'request',
  'request',
  'request',
  'request',
  'request',
  'burst',
  'crowd',
  'change',
  'invalidate',
] as const;

/** First disagreement of unit and reference, or undefined. */
function played(play: Play): string | undefined {
  const scene = new Scene(play);
  const prng = new Prng(play.seed, 1);
  const { steps } = play;
  for (let i = 0; i < steps; i++) {
    const step = STEPS[prng.below(STEPS.length)];
    const wrong = scene[step]();
    if (wrong !== undefined) return `step ${i} of ${steps}: ${wrong}`;
  }
  return scene.counts();
}

describe('the unit against the slow reference unit', () => {
  it('agrees on random machines, tables, requests and invalidations', () => {
    fc.assert(
      fc.property(play, (play) => {
        expect(played(play)).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });
});
