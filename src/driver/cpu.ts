/**
 * CPU cores and locks as resources with a next-free time. Work is booked in the order in which it is begun: a core that
 * does one piece of work (a packet, an unmap) books all of it at once, so other cores' times may lie before its own.
 */

/** One CPU core. Several queues and devices may be served by the same core. */
export class Core {
  /** Index among the CPUs of the domain's IOVA allocator. */
  readonly cpu: number;
  freePs = 0;
  /** All time spent at work since the start, spinning included. */
  spentPs = 0;
  /** Queues that this core serves, and pieces of work that it has begun: whose turn it is follows from these. */
  sharers = 0;
  pieces = 0;

  constructor(cpu: number) {
    this.cpu = cpu;
  }

  /** Time spent at work before `nowPs`: what is booked beyond it is all work, because it was booked without a gap. */
  busyUntil(nowPs: number): number {
    return this.spentPs - Math.max(0, this.freePs - nowPs);
  }
}

/** A spinlock: whoever finds it taken spins until it is free. */
export class Lock {
  freePs = 0;
}

/** Counts of stats/result.ts DriverCounts, while they grow. */
export class DriverAccount {
  maps = 0;
  unmaps = 0;
  mapFailures = 0;
  cpuPs = 0;
  cpuMapPs = 0;
  cpuUnmapPs = 0;
  /** Spinning for completions and queue slots, and for locks. */
  cpuWaitPs = 0;
  cpuLockPs = 0;
  invalidationCommands = 0;
  completionWaits = 0;
  /** Exits to the hypervisor, and of these by kind: what it shadows, and commands that it hands on. */
  vmExits = 0;
  vmExitsMap = 0;
  vmExitsUnmap = 0;
  vmExitsInvalidate = 0;
  /** Time that the vCPU spent in exits (part of cpuPs). */
  hypervisorPs = 0;
  flushes = 0;
  /** From the clearing of the table to the completed invalidation: sum and largest, over `staleWindows` unmaps. */
  staleWindowPs = 0;
  staleWindowMaxPs = 0;
  staleWindows = 0;
  /** Mappings that went through bounce buffers, and bytes copied to and from them. */
  bounces = 0;
  copiedBytes = 0;

  reset(): void {
    Object.assign(this, new DriverAccount());
  }
}

/** A core at work for one queue: what each step costs goes to the core's time and the device's account. */
export class DriverCpu {
  readonly core: Core;
  readonly account: DriverAccount;
  /** Before the run: mappings are set up, but nothing takes time or is counted as work. */
  setup = false;
  private lastPiece = 0;

  /** Queues of one device share its account. */
  constructor(core: Core, account = new DriverAccount()) {
    this.core = core;
    this.account = account;
    core.sharers++;
  }

  get cpu(): number {
    return this.core.cpu;
  }

  get freePs(): number {
    return this.core.freePs;
  }

  /**
   * When this queue may ask for the core: a few ps after it is free, the fewer the longer the queue has waited, so that
   * queues that all have work take turns.
   */
  get turnPs(): number {
    const { freePs, sharers, pieces } = this.core;
    return freePs + Math.max(0, sharers - 1 - (pieces - this.lastPiece));
  }

  /** Work begins at `nowPs` or when the core is free. */
  begin(nowPs: number): void {
    this.lastPiece = ++this.core.pieces;
    if (this.core.freePs < nowPs) this.core.freePs = nowPs;
  }

  /** Work outside the DMA API. */
  spend(ps: number): void {
    this.core.freePs += ps;
    this.core.spentPs += ps;
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

  /** An IOVA is taken, and its page mapped. */
  spendOnMap(allocPs: number, mapPs: number): void {
    const { core, account } = this;
    core.freePs = core.freePs + allocPs + mapPs;
    core.spentPs = core.spentPs + allocPs + mapPs;
    account.cpuPs = account.cpuPs + allocPs + mapPs;
    account.cpuMapPs = account.cpuMapPs + allocPs + mapPs;
  }

  /** One page is unmapped, and the command sent: counts and costs of both. */
  spendOnUnmap(unmapPs: number, submitPs: number): void {
    const { core, account } = this;
    // One after the other, as spendUnmap adds them: sums of times that are no whole picoseconds depend on the order.
    core.freePs = core.freePs + unmapPs + submitPs;
    core.spentPs = core.spentPs + unmapPs + submitPs;
    account.cpuPs = account.cpuPs + unmapPs + submitPs;
    account.cpuUnmapPs = account.cpuUnmapPs + unmapPs + submitPs;
    account.unmaps++;
    account.invalidationCommands++;
    account.completionWaits++;
  }

  /** The hypervisor works until `atPs` while the vCPU waits in the exit: part of a map or of an unmap. */
  exitUntil(atPs: number, cause: 'map' | 'unmap'): void {
    if (this.setup) return;
    const ps = atPs - this.core.freePs;
    this.account.vmExits++;
    this.account.hypervisorPs += ps;
    if (cause === 'map') this.spendMap(ps);
    else this.spendUnmap(ps);
  }

  /** Spins until `atPs`: the core is busy, and the time is counted as waiting. */
  waitUntil(atPs: number): void {
    if (this.setup || atPs <= this.core.freePs) return;
    const ps = atPs - this.core.freePs;
    this.spend(ps);
    this.account.cpuWaitPs += ps;
  }

  /** Looks every `pollPs`, at once for the first time, until something that comes at `atPs` is there. */
  pollUntil(atPs: number, pollPs: number): void {
    const fromPs = this.core.freePs;
    const looks = pollPs > 0 ? Math.ceil((atPs - fromPs) / pollPs) : 0;
    this.waitUntil(looks > 0 ? fromPs + looks * pollPs : atPs);
  }

  /** Spins until the lock is free; passing it on takes `handoffPs`. */
  take(lock: Lock, handoffPs: number): void {
    if (this.setup || lock.freePs <= this.core.freePs) return;
    const ps = lock.freePs + handoffPs - this.core.freePs;
    this.spend(ps);
    this.account.cpuLockPs += ps;
  }

  drop(lock: Lock): void {
    if (!this.setup) lock.freePs = this.core.freePs;
  }

  /** One unmap was reachable through caches from `fromPs` to `toPs`. */
  recordStaleWindow(fromPs: number, toPs: number): void {
    const ps = toPs - fromPs;
    this.account.staleWindows++;
    this.account.staleWindowPs += ps;
    if (ps > this.account.staleWindowMaxPs) this.account.staleWindowMaxPs = ps;
  }
}
