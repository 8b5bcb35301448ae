/** The Mapper of one device: a core, a policy over the device's domain, and memory to allocate from. */
import type { Mapper } from '../traffic/mapper.ts';
import { DriverCpu, type Core, type DriverAccount } from './cpu.ts';
import type { DmaMemory } from './memory.ts';
import type { MappingPolicy } from './policy.ts';

export class DeviceMapper implements Mapper {
  readonly keepsMappings: boolean;
  private readonly cpu: DriverCpu;
  private readonly policy: MappingPolicy;
  private readonly memory: DmaMemory;

  /** `policy` is shared by all devices of the domain, `core` by the devices that it serves, `memory` by the tenant. */
  constructor(policy: MappingPolicy, core: Core, memory: DmaMemory) {
    this.keepsMappings = policy.keepsMappings;
    this.cpu = new DriverCpu(core);
    this.policy = policy;
    this.memory = memory;
  }

  /** The device's DMA-API counts; `reset` at the end of warm-up. */
  get account(): DriverAccount {
    return this.cpu.account;
  }

  get cpuFreePs(): number {
    return this.cpu.freePs;
  }

  work(nowPs: number, costNs: number): number {
    this.cpu.begin(nowPs);
    this.cpu.spend(Math.round(costNs * 1000));
    return this.cpu.freePs;
  }

  allocate(pages: number): number {
    return this.memory.allocate(pages);
  }

  free(physicalPage: number, pages: number): void {
    this.memory.free(physicalPage, pages);
  }

  mapStatic(physicalPage: number, pages: number, prot: number): number {
    this.cpu.setup = true;
    const iovaPage = this.policy.map(this.cpu, physicalPage, pages, prot);
    this.cpu.setup = false;
    return iovaPage;
  }

  mapStaticAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    this.cpu.setup = true;
    const mapped = this.policy.mapAt(this.cpu, iovaPage, physicalPage, pages, prot);
    this.cpu.setup = false;
    return mapped;
  }

  map(physicalPage: number, pages: number, prot: number): number {
    return this.policy.map(this.cpu, physicalPage, pages, prot);
  }

  unmap(iovaPage: number, pages: number): void {
    this.policy.unmap(this.cpu, iovaPage, pages);
  }

  mapAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    return this.policy.mapAt(this.cpu, iovaPage, physicalPage, pages, prot);
  }

  unmapAt(iovaPage: number, pages: number): void {
    this.policy.unmapAt(this.cpu, iovaPage, pages);
  }
}
