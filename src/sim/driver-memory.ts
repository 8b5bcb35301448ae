/**
 * Kernel memory of what the drivers of one unit's devices book: cores, accounts, locks, and the records of their domains with what each
 * core has of their IOVAs.
 */
import { Core, DriverAccount, Lock } from '../driver/cpu.ts';
import { type Kernel, Regions } from '../kernel/kernel.ts';
import {
  ACCOUNT_BYTES,
  CORE_BYTES,
  DOMAIN_BYTES,
  DOMAIN_LAST_PAGE,
  LOCK_BYTES,
  STOCK_BYTES,
} from '../kernel/layout-driver.ts';
import type { IovaMemory } from '../driver/iova-allocator.ts';
import type { DeviceSpec, RunSpec } from '../spec.ts';

const LINE_BYTES = 64;
const lines = (bytes: number): number => Math.ceil(bytes / LINE_BYTES) * LINE_BYTES;

interface Placed {
  readonly spec: DeviceSpec;
}

/** A device has at most a domain, with its lock, and an owner whose queue lock it takes. */
const DEVICE_BYTES = lines(ACCOUNT_BYTES) + lines(DOMAIN_BYTES) + 2 * lines(LOCK_BYTES);

export function driverBytes(spec: RunSpec, devices: readonly Placed[]): number {
  return (
    coreCount(spec, devices) * lines(CORE_BYTES) +
    devices.length * DEVICE_BYTES +
    stockCount(devices) * lines(STOCK_BYTES)
  );
}

/** A core works for a domain by way of a device's queue. */
function stockCount(devices: readonly Placed[]): number {
  return devices.reduce((sum, { spec }) => sum + queuesOf(spec), 0);
}

export function queuesOf({ traffic }: DeviceSpec): number {
  return 'queues' in traffic ? traffic.queues : 1;
}

/** CPUs that serve the devices of a unit. */
export function coreCount({ os }: RunSpec, devices: readonly Placed[]): number {
  if (os.cpus > 0) return os.cpus;
  return Math.max(1, stockCount(devices));
}

export class DriverMemory {
  private readonly kernel: Kernel;
  private readonly regions: Regions;
  private stocksLeft: number;

  constructor(
    kernel: Kernel,
    { base, bytes }: { readonly base: number; readonly bytes: number },
    devices: readonly Placed[],
  ) {
    this.kernel = kernel;
    this.regions = new Regions(base + bytes, base);
    this.stocksLeft = stockCount(devices);
  }

  core(cpu: number): Core {
    return new Core(cpu, this.cells(CORE_BYTES));
  }

  account(): DriverAccount {
    return new DriverAccount(this.cells(ACCOUNT_BYTES));
  }

  lock(): Lock {
    return new Lock(this.cells(LOCK_BYTES));
  }

  /** Pointer to a domain's record. */
  domain(): number {
    return this.regions.take(DOMAIN_BYTES, LINE_BYTES);
  }

  /** What the IOVA allocator of the domain shares with the kernel. */
  iovas(domain: number): IovaMemory {
    const { buffer } = this.kernel.memory;
    const limits = new Float64Array(buffer, domain + DOMAIN_LAST_PAGE, 2);
    return {
      buffer,
      limits,
      takeStock: () => (--this.stocksLeft < 0 ? 0 : this.regions.take(STOCK_BYTES, LINE_BYTES)),
    };
  }

  private cells(bytes: number): Float64Array {
    return new Float64Array(this.kernel.memory.buffer, this.regions.take(bytes, LINE_BYTES), bytes / 8);
  }
}
