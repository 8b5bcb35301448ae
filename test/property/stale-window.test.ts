/**
 * Software, its command queue and devices, interleaved at random: cores run ahead of the devices' time, commands take theirs, and
 * devices ask for pages that are mapped, unmapped or about to be. Every answer is compared with a list of all mappings
 * that ever were: none is served after the invalidation of its unmap has completed, and before that each use is counted.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Core, DriverCpu, Lock } from '../../src/driver/cpu.ts';
import { DmaDomain } from '../../src/driver/domain.ts';
import { IovaAllocator } from '../../src/driver/iova-allocator.ts';
import { KERNEL_ERAS } from '../../src/driver/kernel-era.ts';
import { policies } from '../../src/driver/policies/index.ts';
import type { DmaSteps, MappingPolicy } from '../../src/driver/policy.ts';
import { type CommandHandler, CommandQueue } from '../../src/iommu/command-queue.ts';
import { amdCommands } from '../../src/iommu/commands/amd.ts';
import { vtdCommands } from '../../src/iommu/commands/vtd.ts';
import type { PageTable } from '../../src/iommu/page-table.ts';
import { C_STALE } from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { IotlbSpec, KernelEra, MachineSpec } from '../../src/spec.ts';
import { lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';
import { COSTS } from '../support/driver.ts';

const READ = 1;
const READ_WRITE = 3;
const DOMAIN = 5;
const RANGE_PAGES = 4;

interface Setting {
  readonly policy: 'strict' | 'lazy' | 'contiguous';
  readonly era: KernelEra;
  readonly isNested: boolean;
  readonly hasL1: boolean;
  readonly entries: number;
  readonly queueEntries: number;
  readonly organisation: keyof typeof ORGANISATIONS;
}

/** Of an IOTLB whose sets have four ways, and of the walker. */
const ORGANISATIONS = {
  plain: {},
  split: { iotlb: { split: [{ level: 1, ...lru(8) }] } },
  prefetch: { prefetchPages: 7 },
  ways: { prefetchPages: 3, iotlb: { partition: { by: 'ways', minimum: [1, 2] } } },
  sets: { iotlb: { partition: { by: 'sets', minimum: [1, 1] } } },
} as const;

type Organisation = Partial<Omit<MachineSpec, 'iotlb'>> & { readonly iotlb?: Partial<IotlbSpec> };

const setting: fc.Arbitrary<Setting> = fc.record({
  policy: fc.constantFrom('strict', 'lazy', 'contiguous'),
  era: fc.constantFrom('amd-5.13', 'amd-6.1', 'amd-7.2', 'intel-6.1', 'intel-6.12'),
  isNested: fc.boolean(),
  hasL1: fc.boolean(),
  entries: fc.constantFrom(16, 256),
  queueEntries: fc.constantFrom(4, 64),
  organisation: fc.constantFrom('plain', 'split', 'prefetch', 'ways', 'sets'),
});

interface Mapping {
  readonly iovaPage: number;
  readonly physicalPage: number;
  readonly pages: number;
  isLive: boolean;
  /** When the core cleared the table, and when the invalidation had completed. */
  clearedPs: number;
  completedPs: number;
}

class Life implements CommandHandler {
  private readonly world: World;
  private readonly table: PageTable;
  private readonly host: PageTable;
  private readonly queue: CommandQueue;
  private readonly policy: MappingPolicy;
  private readonly cores: readonly DriverCpu[];
  private readonly requesters: readonly Requester[];
  private readonly prng: Prng;
  private readonly pasid: number;
  private readonly mappings: Mapping[] = [];
  private now = 0;
  private drainedPs = 0;
  private nextPhysical = 2 ** 24;
  private lastClearedPs = 0;
  /** Uses of unmapped pages, by what the list says. */
  stale = 0;
  served = 0;

  constructor(setting: Setting, seed: number) {
    this.prng = new Prng(seed, 0);
    const caches = [lru(16), lru(16), lru(16), lru(16)];
    const l1 = setting.hasL1 ? lru(8) : NO_CACHE;
    const organisation: Organisation = ORGANISATIONS[setting.organisation];
    const machine = machineOf({
      ...organisation,
      iotlb: { ...lru(setting.entries, 4), leafLog2: [12, 21, 30], fracture: true, l1, ...organisation.iotlb },
      walkCaches: { host: caches, guest: caches },
      nestedTlb: lru(32),
      deviceCache: lru(8),
      pasidCache: lru(8),
    });
    const isLazy = setting.policy === 'lazy';
    this.world = new World(machine, { watchesUnmapped: isLazy, tenantOf: new Map([[DOMAIN, 0]]) });
    this.host = this.world.hostTable(4);
    const guest = setting.isNested ? this.world.guest(this.host, 12) : undefined;
    this.table = guest === undefined ? this.host : this.world.guestTable(4, guest);
    this.pasid = guest === undefined ? -1 : 0;
    this.requesters = [1, 2].map((bdf) => {
      const gcr3 = guest && this.world.setGcr3(0, 0, 0, this.table.rootAddress, guest);
      const fields = { domain: DOMAIN, mode: 4, root: this.host.rootAddress };
      this.world.setDevice(bdf, gcr3 === undefined ? fields : { ...fields, gcr3, glx: 0, giov: true });
      return this.world.requester(bdf);
    });
    const encoding = setting.era.startsWith('intel') ? vtdCommands : amdCommands;
    const times = { entries: setting.queueEntries, commandNs: 40, completionWaitNs: 300 };
    this.queue = new CommandQueue(times, this, encoding);
    this.cores = [0, 1].map((cpu) => new DriverCpu(new Core(cpu)));
    this.policy = this.buildPolicy(setting);
  }

  private buildPolicy({ policy, era }: Setting): MappingPolicy {
    const rules = KERNEL_ERAS[era];
    const { depotMagazines, retry32Bit } = rules;
    const spec = { cpus: 2, maskBits: 47, forcedac: false, depotMagazines, retry32Bit, reserved: [] };
    const domain = new DmaDomain({
      table: this.table,
      firstStage: this.pasid >= 0,
      iova: new IovaAllocator(spec),
      targets: [{ port: this.queue, lock: new Lock(), domain: DOMAIN, pasid: this.pasid }],
      rules,
      costs: COSTS,
      unmapped: (page, pages, atPs) => {
        this.lastClearedPs = atPs;
        if (policy === 'lazy') this.world.unit.noteUnmapped(DOMAIN, this.pasid, page, pages, atPs);
      },
    });
    const steps: DmaSteps = Object.create(domain) as DmaDomain;
    steps.flush = (cpu) => {
      domain.flush(cpu);
      for (const mapping of this.mappings) {
        if (!mapping.isLive) mapping.completedPs = Math.min(mapping.completedPs, cpu.freePs);
      }
    };
    const flushQueue = { entries: 6, timeoutNs: 20_000, single: false };
    return policies[policy]({ steps, flushQueue, contiguousPages: RANGE_PAGES });
  }

  // ---- The unit ----------------------------------------------------------------------------------------------------------

  invalidatePages(domain: number, pasid: number, page: number, sizeLog2: number, walkCaches: boolean): void {
    this.world.unit.invalidatePages(domain, pasid, page, sizeLog2 - 12, walkCaches, this.pasid >= 0);
  }
  invalidateAll(domain: number, pasid: number): void {
    this.world.unit.invalidatePages(domain, pasid, 0, 52, true);
  }
  invalidateDevice(bdf: number): void {
    this.world.unit.invalidateDevice(bdf);
  }
  drainedAt(): number {
    return this.drainedPs;
  }

  // ---- What may happen ---------------------------------------------------------------------------------------------------

  wait(): undefined {
    this.now += this.prng.below(3) * this.prng.below(4_000_000);
  }

  private core(): DriverCpu {
    const cpu = this.cores[this.prng.below(2)];
    cpu.begin(this.now);
    return cpu;
  }

  map(): undefined {
    const pages = 1 + this.prng.below(3);
    const physicalPage = this.nextPhysical;
    this.nextPhysical += pages;
    if (this.pasid >= 0) this.host.map(physicalPage, physicalPage, pages, READ_WRITE);
    const iovaPage = this.policy.map(this.core(), physicalPage, pages, READ_WRITE);
    if (iovaPage < 0) return;
    const never = { clearedPs: Infinity, completedPs: Infinity };
    this.mappings.push({ iovaPage, physicalPage, pages, isLive: true, ...never });
  }

  unmap(): undefined {
    const live = this.mappings.filter(({ isLive }) => isLive);
    if (live.length === 0) return;
    const mapping = live[this.prng.below(live.length)];
    const cpu = this.core();
    mapping.isLive = false;
    this.policy.unmap(cpu, mapping.iovaPage, mapping.pages);
    mapping.clearedPs = Math.min(mapping.clearedPs, this.lastClearedPs);
    if (this.policy.timerAt() === Infinity) mapping.completedPs = Math.min(mapping.completedPs, cpu.freePs);
  }

  timer(): undefined {
    if (this.policy.timerAt() <= this.now) this.policy.timer(this.now);
  }

  /** What is wrong with the answer to a request for a page that is or was mapped. */
  request(): string | undefined {
    const { mappings, now, prng } = this;
    this.timer();
    this.queue.process(now);
    if (mappings.length === 0) return undefined;
    const wanted = mappings[Math.max(0, mappings.length - 1 - prng.below(12))];
    const page = wanted.iovaPage + prng.below(wanted.pages);
    const { fault, page: target, donePs } = this.world.translate(this.requesters[prng.below(2)], page, READ, now);
    this.drainedPs = Math.max(this.drainedPs, donePs + 300_000);
    const covers = (each: Mapping): boolean => page >= each.iovaPage && page < each.iovaPage + each.pages;
    const live = mappings.find((each) => each.isLive && covers(each));
    if (fault !== 0) return live === undefined ? undefined : `page ${page} is mapped, but faults with ${fault}`;
    this.served++;
    const used = mappings.findLast((each) => covers(each) && target === each.physicalPage + page - each.iovaPage);
    if (used === undefined) return `page ${page} went to ${target}, where it never was`;
    if (used.isLive) return undefined;
    if (now >= used.completedPs) return `page ${page} was served at ${now}, invalidated by ${used.completedPs}`;
    if (now >= used.clearedPs) this.stale++;
    return undefined;
  }

  get counted(): number {
    return this.requesters.reduce((sum, each) => sum + this.world.counters(each)[C_STALE], 0);
  }
}

const STEPS = ['wait', 'wait', 'map', 'unmap', 'request', 'request', 'request', 'request'] as const;

function play(setting: Setting, seed: number, steps: number): Life {
  const life = new Life(setting, seed);
  const prng = new Prng(seed, 1);
  const wrong: string[] = [];
  for (let i = 0; i < steps; i++) {
    const found = life[STEPS[prng.below(STEPS.length)]]();
    if (found !== undefined) wrong.push(found);
  }
  expect(wrong).toEqual([]);
  return life;
}

describe('whatever the interleaving', () => {
  it('nothing is served after its invalidation has completed, and lazy uses before are counted', () => {
    fc.assert(
      fc.property(setting, fc.nat(), fc.integer({ min: 1, max: 600 }), (setting, seed, steps) => {
        const life = play(setting, seed, steps);
        expect(life.counted).toBe(setting.policy === 'lazy' ? life.stale : 0);
      }),
      { numRuns: 120 },
    );
  });

  it('there are such uses: the window is open', () => {
    for (const isNested of [false, true]) {
      const common = {
        isNested,
        hasL1: false,
        entries: 256,
        queueEntries: 64,
        organisation: 'plain',
        era: 'amd-6.1',
      } as const;
      const lazy = play({ ...common, policy: 'lazy' }, 1, 2000);
      expect(lazy.stale).toBeGreaterThan(20);
      expect(lazy.counted).toBe(lazy.stale);
      expect(play({ ...common, policy: 'strict' }, 1, 2000).stale).toBeGreaterThan(0);
    }
  });
});
