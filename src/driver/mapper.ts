/** The Mapper of one queue of a device: a core, a policy over the device's domain, and memory to allocate from. */
import type { Mapper, PageList } from '../traffic/mapper.ts';
import type { BounceBuffers } from './bounce.ts';
import { type Core, DriverAccount, DriverCpu } from './cpu.ts';
import type { DmaMemory } from './memory.ts';
import type { Pager } from './pager.ts';
import type { MappingPolicy } from './policy.ts';

const PAGE_BYTES = 4096;

export interface DeviceDriver {
  /** Shared by all devices of the domain. */
  readonly policy: MappingPolicy;
  /** By queue, round and round; each may serve other devices too. */
  readonly cores: readonly Core[];
  /** Of the tenant. */
  readonly memory: DmaMemory;
  /** Of an untrusted device. */
  readonly bounce?: BounceBuffers | undefined;
  /** Shared by its queues. */
  readonly account?: DriverAccount;
  /** Of a device whose static mappings are made when it asks for them (driver/pager.ts). */
  readonly pager?: ((cpu: DriverCpu) => Pick<Pager, 'reserve'>) | undefined;
}

export class DeviceMapper implements Mapper {
  readonly keepsMappings: boolean;
  /** The device's DMA-API counts, of all its queues; `reset` at the end of warm-up. */
  readonly account: DriverAccount;
  private readonly driver: DeviceDriver;
  private readonly cpu: DriverCpu;
  private readonly policy: MappingPolicy;
  private readonly bounce: BounceBuffers | undefined;
  private readonly pager: Pick<Pager, 'reserve'> | undefined;
  /** The mappers of all queues, by queue. */
  private readonly queues: DeviceMapper[];

  constructor(driver: DeviceDriver, queue = 0, first?: DeviceMapper) {
    this.keepsMappings = driver.policy.keepsMappings;
    this.account = first?.account ?? driver.account ?? new DriverAccount();
    this.queues = first?.queues ?? [];
    this.queues[queue] = this;
    this.driver = driver;
    this.cpu = new DriverCpu(driver.cores[queue % driver.cores.length], this.account);
    this.policy = driver.policy;
    this.bounce = driver.bounce;
    this.pager = first === undefined ? driver.pager?.(this.cpu) : first.pager;
  }

  forQueue(queue: number): DeviceMapper {
    return this.queues[queue] ?? new DeviceMapper(this.driver, queue, this);
  }

  get cpuFreePs(): number {
    return this.cpu.turnPs;
  }

  work(nowPs: number, costNs: number): number {
    return this.cpu.work(nowPs, Math.round(costNs * 1000));
  }

  allocate(pages: number): number {
    return this.driver.memory.allocate(pages);
  }

  free(physicalPage: number, pages: number): void {
    this.driver.memory.free(physicalPage, pages);
  }

  mapStatic(physicalPage: number, pages: number, prot: number): number {
    this.cpu.setup = true;
    const { pager, policy, cpu } = this;
    const iovaPage = pager?.reserve(physicalPage, pages, prot) ?? policy.map(cpu, physicalPage, pages, prot);
    this.cpu.setup = false;
    return iovaPage;
  }

  mapStaticAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    this.cpu.setup = true;
    const mapped = this.policy.mapAt(this.cpu, iovaPage, physicalPage, pages, prot);
    this.cpu.setup = false;
    return mapped;
  }

  mapStaticPages(list: PageList, prot: number): boolean {
    this.cpu.setup = true;
    const mapped = this.policy.mapPages(this.cpu, list, prot);
    this.cpu.setup = false;
    return mapped;
  }

  map(physicalPage: number, pages: number, prot: number, lengthBytes?: number): number {
    const { bounce } = this;
    if (bounce !== undefined && lengthBytes !== undefined && lengthBytes % PAGE_BYTES !== 0) {
      return bounce.map(this.cpu, pages, prot, lengthBytes);
    }
    return this.policy.map(this.cpu, physicalPage, pages, prot);
  }

  unmap(iovaPage: number, pages: number): void {
    const { bounce } = this;
    if (bounce !== undefined && bounce.unmap(this.cpu, iovaPage)) return;
    this.policy.unmap(this.cpu, iovaPage, pages);
  }

  mapSg(list: PageList, prot: number): boolean {
    return this.policy.mapSg(this.cpu, list, prot);
  }

  unmapSg(list: PageList): void {
    this.policy.unmapSg(this.cpu, list);
  }

  mapPages(list: PageList, prot: number): boolean {
    return this.policy.mapPages(this.cpu, list, prot);
  }

  unmapPages(list: PageList, from: number): number {
    return this.policy.unmapPages(this.cpu, list, from);
  }

  mapAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    return this.policy.mapAt(this.cpu, iovaPage, physicalPage, pages, prot);
  }

  unmapAt(iovaPage: number, pages: number): void {
    this.policy.unmapAt(this.cpu, iovaPage, pages);
  }
}
