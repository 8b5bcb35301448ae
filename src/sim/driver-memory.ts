/** Kernel memory of what the drivers of one unit's devices book: cores, accounts, locks, and the records of their domains. */
import { Core, DriverAccount, Lock } from '../driver/cpu.ts';
import { type Kernel, Regions } from '../kernel/kernel.ts';
import { ACCOUNT_BYTES, CORE_BYTES, DOMAIN_BYTES, LOCK_BYTES } from '../kernel/layout-driver.ts';
import type { DeviceSpec, RunSpec } from '../spec.ts';

const LINE_BYTES = 64;
const lines = (bytes: number): number => Math.ceil(bytes / LINE_BYTES) * LINE_BYTES;

interface Placed {
  readonly spec: DeviceSpec;
}

/** A device has at most a domain, with its lock, and an owner whose queue lock it takes. */
const DEVICE_BYTES = lines(ACCOUNT_BYTES) + lines(DOMAIN_BYTES) + 2 * lines(LOCK_BYTES);

export function driverBytes(spec: RunSpec, devices: readonly Placed[]): number {
  return coreCount(spec, devices) * lines(CORE_BYTES) + devices.length * DEVICE_BYTES;
}

export function queuesOf({ traffic }: DeviceSpec): number {
  return 'queues' in traffic ? traffic.queues : 1;
}

/** CPUs that serve the devices of a unit. */
export function coreCount({ os }: RunSpec, devices: readonly Placed[]): number {
  if (os.cpus > 0) return os.cpus;
  const queues = devices.reduce((sum, { spec }) => sum + queuesOf(spec), 0);
  return Math.max(1, queues);
}

export class DriverMemory {
  private readonly kernel: Kernel;
  private readonly regions: Regions;

  constructor(kernel: Kernel, { base, bytes }: { readonly base: number; readonly bytes: number }) {
    this.kernel = kernel;
    this.regions = new Regions(base + bytes, base);
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

  private cells(bytes: number): Float64Array {
    return new Float64Array(this.kernel.memory.buffer, this.regions.take(bytes, LINE_BYTES), bytes / 8);
  }
}
