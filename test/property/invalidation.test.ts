/**
 * What software may rely on: once a changed mapping's invalidation has been executed, no request is served from what was
 * there before. Targets are compared with a software walk of the tables as they are now.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageTable } from '../../src/iommu/page-table.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec, PartitionSpec } from '../../src/spec.ts';
import { lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';

const READ_WRITE = 3;
const PAGES_2M = 512;

interface Setting {
  readonly isNested: boolean;
  readonly hasL1: boolean;
  /** Large leaves have a part of their own. */
  readonly isSplit: boolean;
  readonly prefetchPages: number;
  /** The IOTLB keeps what was not present: maps are invalidated too. */
  readonly negative: boolean;
  /** Caches are divided among tenants. */
  readonly partition: PartitionSpec['by'] | 'none';
  readonly levels: 4 | 5;
  /** Walk-cache entries are dropped only when the unmap freed a table, as Linux does from 7.2 on. */
  readonly sparing: boolean;
}

const setting: fc.Arbitrary<Setting> = fc.record({
  isNested: fc.boolean(),
  hasL1: fc.boolean(),
  isSplit: fc.boolean(),
  prefetchPages: fc.constantFrom(0, 1, 7),
  negative: fc.boolean(),
  partition: fc.constantFrom('none', 'ways', 'sets'),
  levels: fc.constantFrom(4, 5),
  sparing: fc.boolean(),
});

/** Two ways or sets for the tenant of the test, one for another that has none of the traffic. */
function divided(spec: CacheSpec, by: Setting['partition']): CacheSpec {
  return by === 'none' ? spec : { ...spec, partition: { by, minimum: [1, 2] } };
}

/** One domain, two devices, big caches that would keep everything. */
class Domain {
  readonly world: World;
  readonly table: PageTable;
  readonly host: PageTable;
  readonly requesters: Requester[];
  private readonly setting: Setting;
  private readonly prng: Prng;
  private now = 0;

  constructor(setting: Setting, seed: number) {
    this.setting = setting;
    this.prng = new Prng(seed, 0);
    const shared = (entries: number, ways: number): CacheSpec => divided(lru(entries, ways), setting.partition);
    const caches = [1, 2, 3, 4].map(() => shared(64, 16));
    const l1 = setting.hasL1 ? lru(32) : NO_CACHE;
    const split = setting.isSplit ? { split: [{ level: 1, ...shared(64, 8) }] } : {};
    const iotlb = {
      ...shared(256, 4),
      leafLog2: [12, 21, 30],
      ...split,
      fracture: true,
      negative: setting.negative,
      l1,
    };
    const walkCaches = { host: caches, guest: caches };
    const rest = {
      prefetchPages: setting.prefetchPages,
      nestedTlb: shared(128, 32),
      deviceCache: lru(8),
      pasidCache: lru(8),
      lineCache: lru(64, 8),
    };
    this.world = new World(machineOf({ iotlb, walkCaches, ...rest }), { tenantOf: new Map([[5, 1]]) });
    this.host = this.world.hostTable(4);
    const guest = setting.isNested ? this.world.guest(this.host, 12) : undefined;
    this.table = guest === undefined ? this.host : this.world.guestTable(setting.levels, guest);
    this.requesters = [1, 2].map((bdf) => {
      const gcr3 =
        guest === undefined ? {} : { gcr3: this.world.setGcr3(0, 1, 0, this.table.rootAddress, guest), glx: 1 };
      const fields = { domain: 5, mode: 4, root: this.host.rootAddress, giov: true, fiveLevels: setting.levels === 5 };
      this.world.setDevice(
        bdf,
        guest === undefined ? { domain: 5, mode: 4, root: fields.root } : { ...fields, ...gcr3 },
      );
      return this.world.requester(bdf);
    });
  }

  private page(): number {
    return PAGES_2M * this.prng.below(6) + this.prng.below(6);
  }

  map(): void {
    const isLarge = this.prng.below(4) === 0;
    const align = isLarge ? PAGES_2M : 1;
    const target = Math.floor((2 ** 22 + this.prng.below(2 ** 13)) / align) * align;
    const input = Math.floor(this.page() / align) * align;
    this.table.mapSize(input, target, isLarge ? 21 : 12, 1, READ_WRITE);
    // A large leaf in the place of an emptied table: walk caches may point to that table.
    if (this.table.freedTables > 0) this.world.unit.invalidatePages(5, this.setting.isNested ? 0 : -1, input, 9, true);
    if (this.setting.isNested) this.mapHost(target, align);
    if (!this.setting.negative) return;
    this.world.unit.invalidatePages(5, this.setting.isNested ? 0 : -1, input, isLarge ? 9 : 0, false);
    // What was not present in the host's table is known by guest addresses.
    if (this.setting.isNested) this.world.unit.invalidatePages(5, -1, target, 0, false);
  }

  private mapHost(target: number, align: number): void {
    const isLarge = align > 1 && this.prng.below(2) === 0;
    for (let i = 0; i < (isLarge ? 1 : Math.min(align, 8)); i++) {
      const system = Math.floor((2 ** 26 + this.prng.below(2 ** 20)) / align) * align;
      this.host.mapSize(target + i, system + i, isLarge ? 21 : 12, 1, READ_WRITE);
      if (this.host.freedTables > 0) this.world.unit.invalidatePages(5, -1, target, 9, true);
    }
  }

  /** Clears one page or a whole 2 MiB and gives the command that goes with it. */
  unmap(): void {
    const isWhole = this.prng.below(3) === 0;
    const log2 = isWhole ? 9 : 0;
    const input = isWhole ? Math.floor(this.page() / PAGES_2M) * PAGES_2M : this.page();
    const unmapped = this.table.unmap(input, 2 ** log2);
    const pde = !this.setting.sparing || this.table.freedTables > 0;
    // A larger leaf goes as a whole, and so must the range.
    const range = unmapped > 2 ** log2 ? 9 : log2;
    this.world.unit.invalidatePages(5, this.setting.isNested ? 0 : -1, input, range, pde);
  }

  /** The host takes a data page away. */
  unmapHost(): void {
    if (!this.setting.isNested) return;
    const gpa = this.table.lookup(this.page());
    if (gpa < 0) return;
    const unmapped = this.host.unmap(gpa, 1);
    if (unmapped === 0) return;
    const pde = !this.setting.sparing || this.host.freedTables > 0;
    this.world.unit.invalidatePages(5, -1, gpa, unmapped > 1 ? 9 : 0, pde);
  }

  /** What is wrong with the answer to a random request, or undefined. */
  request(): string | undefined {
    const page = this.page();
    const requester = this.requesters[this.prng.below(2)];
    this.now += this.prng.below(3) * this.prng.below(1_000_000);
    const { fault, page: target } = this.world.translate(requester, page, 1, this.now);
    const gpa = this.table.lookup(page);
    const wanted = gpa >= 0 && this.setting.isNested ? this.host.lookup(gpa) : gpa;
    if (wanted < 0 ? fault !== 0 : target === wanted) return undefined;
    return `page ${page} went to ${target} (fault ${fault}), the tables say ${wanted}`;
  }
}

const STEPS = ['map', 'map', 'unmap', 'unmapHost', 'request', 'request', 'request', 'request', 'request'] as const;

describe('after its invalidation', () => {
  it('a mapping that was changed is never used again', () => {
    fc.assert(
      fc.property(setting, fc.nat(), fc.integer({ min: 1, max: 600 }), (setting, seed, steps) => {
        const domain = new Domain(setting, seed);
        const prng = new Prng(seed, 1);
        const wrong: string[] = [];
        for (let i = 0; i < steps; i++)
          wrong.push(...[domain[STEPS[prng.below(STEPS.length)]]()].filter((text) => text !== undefined));
        expect(wrong).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('and before it, it may be: the caches do hold what the test is about', () => {
    for (const isNested of [false, true]) {
      const domain = new Domain(
        {
          isNested,
          hasL1: false,
          isSplit: isNested,
          prefetchPages: isNested ? 0 : 3,
          partition: 'none',
          negative: false,
          levels: 4,
          sparing: false,
        },
        1,
      );
      for (let i = 0; i < 400; i++) domain.map();
      for (let i = 0; i < 300; i++) expect(domain.request()).toBeUndefined();
      for (let page = 0; page < 6 * PAGES_2M; page += PAGES_2M) domain.table.unmap(page, PAGES_2M);
      const stale = Array.from({ length: 100 }, () => domain.request()).filter((wrong) => wrong !== undefined);
      expect(stale.length).toBeGreaterThan(50);
    }
  });
});
