/** One CPU core: a resource with a next-free time. Several devices may be served by the same core. */
export class Core {
  /** Index among the CPUs of the domain's IOVA allocator. */
  readonly cpu: number;
  freePs = 0;

  constructor(cpu: number) {
    this.cpu = cpu;
  }
}

/** Counts of stats/result.ts DriverCounts, while they grow. */
export class DriverAccount {
  maps = 0;
  unmaps = 0;
  mapFailures = 0;
  cpuPs = 0;
  cpuMapPs = 0;
  cpuUnmapPs = 0;
  cpuWaitPs = 0;
  invalidationCommands = 0;
  completionWaits = 0;
  vmExits = 0;
  flushes = 0;
  staleUses = 0;
  /** From the clearing of the table to the completed invalidation: sum and largest, over `staleWindows` unmaps. */
  staleWindowPs = 0;
  staleWindowMaxPs = 0;
  staleWindows = 0;

  reset(): void {
    Object.assign(this, new DriverAccount());
  }
}

/** A core at work for one device: what each step costs goes to the core's time and the device's account. */
export class DriverCpu {
  readonly core: Core;
  readonly account = new DriverAccount();
  /** Before the run: mappings are set up, but nothing takes time or is counted as work. */
  setup = false;

  constructor(core: Core) {
    this.core = core;
  }

  get cpu(): number {
    return this.core.cpu;
  }

  get freePs(): number {
    return this.core.freePs;
  }

  /** Work begins at `nowPs` or when the core is free. */
  begin(nowPs: number): void {
    if (this.core.freePs < nowPs) this.core.freePs = nowPs;
  }

  /** Work outside the DMA API. */
  spend(ps: number): void {
    this.core.freePs += ps;
    this.account.cpuPs += ps;
  }

  spendMap(ps: number): void {
    if (this.setup) return;
    this.spend(ps);
    this.account.cpuMapPs += ps;
  }

  spendUnmap(ps: number): void {
    if (this.setup) return;
    this.spend(ps);
    this.account.cpuUnmapPs += ps;
  }

  /** Spins until `atPs`: the core is busy, and the time is counted as waiting. */
  waitUntil(atPs: number): void {
    if (atPs <= this.core.freePs) return;
    const ps = atPs - this.core.freePs;
    this.spend(ps);
    this.account.cpuWaitPs += ps;
  }

  /** One unmap was reachable through caches from `fromPs` to `toPs`. */
  recordStaleWindow(fromPs: number, toPs: number): void {
    const ps = toPs - fromPs;
    this.account.staleWindows++;
    this.account.staleWindowPs += ps;
    if (ps > this.account.staleWindowMaxPs) this.account.staleWindowMaxPs = ps;
  }
}
