/**
 * What a guest's IOMMU driver meets where the hypervisor emulates the unit: its commands exit, and the hypervisor does
 * with them what the mode asks for. Where hardware reads the guest's commands there is no such thing in the way.
 */
import type { CommandPort } from '../../iommu/command-queue.ts';
import type { DriverCpu } from '../cpu.ts';

/** Where an invalidation goes, and what it is for as the unit tags its cache entries. */
export interface CommandTarget {
  readonly port: CommandPort;
  readonly domain: number;
  readonly pasid: number;
}

/** Of a command queue (iommu/command-queue.ts): what domains of devices with ATS need besides. */
export interface DeviceTlbPort {
  submitDeviceTlb(nowPs: number, bdf: number, pasid: number, page: number, sizeLog2: number): number;
  completionWait(nowPs: number): number;
}

/** A device with ATS: it keeps translations itself. `pasid` -1: they have none. */
export interface DeviceTlbTarget {
  readonly port: DeviceTlbPort;
  readonly bdf: number;
  readonly pasid: number;
}

/** Why the guest sends: a vIOMMU that caches not-present entries is told of maps too. */
export type FlushCause = 'map' | 'unmap';

/** When the host's kernel, which looks every `pollPs` from `fromPs` on, finds a semaphore that is written at `atPs`. */
export function polledAt(fromPs: number, atPs: number, pollPs: number): number {
  if (pollPs === 0 || atPs <= fromPs) return Math.max(atPs, fromPs);
  return fromPs + Math.ceil((atPs - fromPs) / pollPs) * pollPs;
}

/** One guest domain's commands. All work that they cause is charged to the vCPU, which waits in the exit. */
export interface Hypervisor {
  /** INVALIDATE_IOMMU_PAGES has been written to the guest's queue: the aligned 2^sizeLog2 bytes that contain `page`. */
  pages(
    cpu: DriverCpu,
    cause: FlushCause,
    target: CommandTarget,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): void;
  /** The same for everything of the domain; `pages` from `page` on are what has changed. */
  all(cpu: DriverCpu, cause: FlushCause, target: CommandTarget, page: number, pages: number): void;
  /** INVALIDATE_IOTLB_PAGES: what a device with ATS keeps of the range (2^sizeLog2 bytes, 64: everything). */
  deviceTlb?(cpu: DriverCpu, cause: FlushCause, target: DeviceTlbTarget, page: number, sizeLog2: number): void;
  /** The guest's completion wait: when this returns, all commands since the last one have taken effect. */
  complete(cpu: DriverCpu, cause: FlushCause): void;
}
