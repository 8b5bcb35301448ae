/** The driver side of one domain with everything that a test wants to look at. */
import { BounceBuffers, BouncePool } from '../../src/driver/bounce.ts';
import { Core, Lock } from '../../src/driver/cpu.ts';
import { DmaDomain, type InvalidationTarget } from '../../src/driver/domain.ts';
import { IovaAllocator, type IovaAllocatorSpec } from '../../src/driver/iova-allocator.ts';
import { KERNEL_ERAS } from '../../src/driver/kernel-era.ts';
import { DeviceMapper } from '../../src/driver/mapper.ts';
import { DmaMemory } from '../../src/driver/memory.ts';
import { policies } from '../../src/driver/policies/index.ts';
import { ForwardingHypervisor } from '../../src/driver/viommu/forwarding.ts';
import { type CommandHandler, CommandQueue } from '../../src/iommu/command-queue.ts';
import type { FlushQueueSpec, KernelEra, OsCosts, Policy } from '../../src/spec.ts';
import { FlatTable } from '../reference/flat-table.ts';

/** Round, all different, so that a sum shows what it is made of. */
export const COSTS: OsCosts = {
  iovaAllocNs: 1,
  iovaAllocSlowNs: 2,
  iovaFreeNs: 4,
  mapNs: 10,
  mapPageNs: 3,
  unmapNs: 20,
  unmapPageNs: 5,
  invalidateSubmitNs: 100,
  completionPollNs: 50,
  lockHandoffNs: 0,
  bounceNs: 40,
  copyKibNs: 64,
  packetNs: 0,
  exitNs: 1000,
};

/** One unit's cache of translations: IOVA pages, each with the domain that they belong to. */
export class CachedPages implements CommandHandler {
  readonly pages = new Map<number, number>();
  readonly log: string[] = [];

  invalidatePages(domain: number, _pasid: number, page: number, sizeLog2: number, walkCaches: boolean): void {
    const size = 2 ** (sizeLog2 - 12);
    const first = Math.floor(page / size) * size;
    for (const cached of this.pages.keys()) if (cached >= first && cached < first + size) this.pages.delete(cached);
    this.log.push(`pages ${domain} ${page.toString(16)} ${sizeLog2}${walkCaches ? ' pde' : ''}`);
  }
  invalidateAll(domain: number): void {
    this.pages.clear();
    this.log.push(`all ${domain}`);
  }
  invalidateDevice(): void {}
  drainedAt(): number {
    return 0;
  }
}

/** First page of the bounce buffers. */
export const BOUNCE_PAGE = 2 ** 31;

export interface TestDriver {
  readonly mapper: DeviceMapper;
  readonly domain: DmaDomain;
  readonly policy: ReturnType<(typeof policies)[Policy]>;
  readonly table: FlatTable;
  readonly iova: IovaAllocator;
  readonly units: { readonly cache: CachedPages; readonly queue: CommandQueue; readonly lock: Lock }[];
  readonly cores: readonly Core[];
  /** Another device's core over the same domain. */
  secondMapper(): DeviceMapper;
}

export interface TestDriverOptions {
  readonly era?: KernelEra;
  readonly units?: number;
  /** One target a device with its own domain ID (AMD v2), instead of one a unit. */
  readonly targetsPerUnit?: number;
  readonly exits?: boolean;
  readonly batched?: boolean;
  readonly npCache?: boolean;
  readonly costs?: Partial<OsCosts>;
  readonly iova?: Partial<IovaAllocatorSpec>;
  readonly flushQueue?: Partial<FlushQueueSpec>;
  readonly memoryPages?: number;
  readonly firstStage?: boolean;
  readonly contiguousPages?: number;
  readonly cores?: number;
  /** The device is untrusted, and has so many slots of bounce buffers. */
  readonly bounceSlots?: number;
}

export function testDriver(policyName: Policy, options: TestDriverOptions = {}): TestDriver {
  const rules = KERNEL_ERAS[options.era ?? 'amd-6.1'];
  const units = Array.from({ length: options.units ?? 1 }, () => {
    const cache = new CachedPages();
    return {
      cache,
      lock: new Lock(),
      queue: new CommandQueue({ entries: 512, commandNs: 7, completionWaitNs: 200 }, cache),
    };
  });
  const targets: InvalidationTarget[] = [];
  for (const { queue, lock } of units) {
    for (let i = 0; i < (options.targetsPerUnit ?? 1); i++) {
      targets.push({ port: queue, lock, domain: 40 + i, pasid: -1 });
    }
  }
  const iova = new IovaAllocator({
    cpus: options.cores ?? 2,
    maskBits: 48,
    forcedac: false,
    depotMagazines: rules.depotMagazines,
    retry32Bit: rules.retry32Bit,
    reserved: [],
    ...options.iova,
  });
  const table = new FlatTable();
  const costs = { ...COSTS, ...options.costs };
  const firstStage = options.firstStage ?? false;
  const hypervisor =
    options.exits === true
      ? new ForwardingHypervisor({
          exitPs: costs.exitNs * 1000,
          pollPs: costs.completionPollNs * 1000,
          batched: options.batched ?? false,
        })
      : undefined;
  const domain = new DmaDomain({
    table,
    firstStage,
    iova,
    targets,
    rules,
    costs,
    hypervisor,
    npCache: options.npCache ?? false,
  });
  const flushQueue = { entries: 256, timeoutNs: 10_000_000, single: false, ...options.flushQueue };
  const policy = policies[policyName]({ steps: domain, flushQueue, contiguousPages: options.contiguousPages ?? 64 });
  const memory = new DmaMemory(0, options.memoryPages ?? 2 ** 30);
  const cores = Array.from({ length: options.cores ?? 2 }, (_, cpu) => new Core(cpu));
  const slots = options.bounceSlots;
  const bounce = slots === undefined ? undefined : new BounceBuffers(new BouncePool(BOUNCE_PAGE, slots), policy, costs);
  const mapper = new DeviceMapper({ policy, cores, memory, bounce });
  return {
    mapper,
    domain,
    policy,
    table,
    iova,
    units,
    cores,
    secondMapper: () => new DeviceMapper({ policy, cores: [cores[1]], memory, bounce }),
  };
}
