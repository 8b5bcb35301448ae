/**
 * CPU cores and locks as resources with a next-free time. Work is booked in the order in which it is begun: a core that
 * does one piece of work (a packet, an unmap) books all of it at once, so other cores' times may lie before its own.
 */
import {
  ACCOUNT_BYTES,
  ACCOUNT_COMMANDS,
  ACCOUNT_CPU,
  ACCOUNT_CPU_MAP,
  ACCOUNT_CPU_UNMAP,
  ACCOUNT_CPU_WAIT,
  ACCOUNT_MAPS,
  ACCOUNT_UNMAPS,
  ACCOUNT_WAITS,
  ACCOUNT_WINDOW,
  ACCOUNT_WINDOW_MAX,
  ACCOUNT_WINDOWS,
  CORE_BYTES,
  CORE_FREE,
  CORE_SPENT,
  LOCK_BYTES,
  LOCK_FREE,
} from '../kernel/layout-driver.ts';

// Indices of cells. V8 looks an imported constant up at every use, and builds one of the module's own into the code.
const FREE = CORE_FREE / 8;
const SPENT = CORE_SPENT / 8;
const LOCK = LOCK_FREE / 8;
const COMMANDS = ACCOUNT_COMMANDS / 8;
const CPU = ACCOUNT_CPU / 8;
const CPU_MAP = ACCOUNT_CPU_MAP / 8;
const CPU_UNMAP = ACCOUNT_CPU_UNMAP / 8;
const CPU_WAIT = ACCOUNT_CPU_WAIT / 8;
const MAPS = ACCOUNT_MAPS / 8;
const UNMAPS = ACCOUNT_UNMAPS / 8;
const WAITS = ACCOUNT_WAITS / 8;
const WINDOW = ACCOUNT_WINDOW / 8;
const WINDOW_MAX = ACCOUNT_WINDOW_MAX / 8;
const WINDOWS = ACCOUNT_WINDOWS / 8;

/**
 * Numbers that the kernel books too where it goes its short way (assembly/driver.ts): in its memory then, and `at` is where, else in
 * memory of their own.
 */
abstract class Booked {
  readonly cells: Float64Array;
  readonly at: number;

  constructor(bytes: number, cells: Float64Array = new Float64Array(bytes / 8)) {
    this.cells = cells;
    this.at = cells.byteOffset;
  }
}

/** One CPU core. Several queues and devices may be served by the same core. */
export class Core extends Booked {
  /** Index among the CPUs of the domain's IOVA allocator. */
  readonly cpu: number;
  /** Queues that this core serves, and pieces of work that it has begun: whose turn it is follows from these. */
  sharers = 0;
  pieces = 0;

  constructor(cpu: number, cells?: Float64Array) {
    super(CORE_BYTES, cells);
    this.cpu = cpu;
  }

  get freePs(): number {
    return this.cells[FREE];
  }
  set freePs(ps) {
    this.cells[FREE] = ps;
  }

  /** All time spent at work since the start, spinning included. */
  get spentPs(): number {
    return this.cells[SPENT];
  }
  set spentPs(ps) {
    this.cells[SPENT] = ps;
  }

  /** Time spent at work before `nowPs`: what is booked beyond it is all work, because it was booked without a gap. */
  busyUntil(nowPs: number): number {
    return this.spentPs - Math.max(0, this.freePs - nowPs);
  }
}

/** A spinlock: whoever finds it taken spins until it is free. */
export class Lock extends Booked {
  constructor(cells?: Float64Array) {
    super(LOCK_BYTES, cells);
  }

  get freePs(): number {
    return this.cells[LOCK];
  }
  set freePs(ps) {
    this.cells[LOCK] = ps;
  }
}

/** What single pages add to an account. */
abstract class PageAccount extends Booked {
  constructor(cells?: Float64Array) {
    super(ACCOUNT_BYTES, cells);
  }

  get maps(): number {
    return this.cells[MAPS];
  }
  set maps(count) {
    this.cells[MAPS] = count;
  }
  get unmaps(): number {
    return this.cells[UNMAPS];
  }
  set unmaps(count) {
    this.cells[UNMAPS] = count;
  }
  get invalidationCommands(): number {
    return this.cells[COMMANDS];
  }
  set invalidationCommands(count) {
    this.cells[COMMANDS] = count;
  }
  get completionWaits(): number {
    return this.cells[WAITS];
  }
  set completionWaits(count) {
    this.cells[WAITS] = count;
  }
  get cpuPs(): number {
    return this.cells[CPU];
  }
  set cpuPs(ps) {
    this.cells[CPU] = ps;
  }
  get cpuMapPs(): number {
    return this.cells[CPU_MAP];
  }
  set cpuMapPs(ps) {
    this.cells[CPU_MAP] = ps;
  }
  get cpuUnmapPs(): number {
    return this.cells[CPU_UNMAP];
  }
  set cpuUnmapPs(ps) {
    this.cells[CPU_UNMAP] = ps;
  }
  /** Spinning for completions and queue slots. */
  get cpuWaitPs(): number {
    return this.cells[CPU_WAIT];
  }
  set cpuWaitPs(ps) {
    this.cells[CPU_WAIT] = ps;
  }

  /** From the clearing of the table to the completed invalidation: sum and largest, over `staleWindows` unmaps. */
  get staleWindowPs(): number {
    return this.cells[WINDOW];
  }
  get staleWindowMaxPs(): number {
    return this.cells[WINDOW_MAX];
  }
  get staleWindows(): number {
    return this.cells[WINDOWS];
  }

  /** One unmap was reachable through caches for so long. */
  addStaleWindow(ps: number): void {
    const { cells } = this;
    cells[WINDOWS]++;
    cells[WINDOW] += ps;
    if (ps > cells[WINDOW_MAX]) cells[WINDOW_MAX] = ps;
  }
}

/** Counts of stats/result.ts DriverCounts, while they grow. */
export class DriverAccount extends PageAccount {
  mapFailures = 0;
  /** Spinning for locks. */
  cpuLockPs = 0;
  /** Exits to the hypervisor, and of these by kind: what it shadows, and commands that it hands on. */
  vmExits = 0;
  vmExitsMap = 0;
  vmExitsUnmap = 0;
  vmExitsInvalidate = 0;
  /** Time that the vCPU spent in exits (part of cpuPs). */
  hypervisorPs = 0;
  flushes = 0;
  /** Mappings that went through bounce buffers, and bytes copied to and from them. */
  bounces = 0;
  copiedBytes = 0;

  reset(): void {
    this.cells.fill(0);
    const { at: _at, cells: _cells, ...counts } = new DriverAccount();
    Object.assign(this, counts);
  }
}

/** A core at work for one queue: what each step costs goes to the core's time and the device's account. */
export class DriverCpu {
  readonly core: Core;
  readonly account: DriverAccount;
  /** Before the run: mappings are set up, but nothing takes time or is counted as work. */
  setup = false;
  /** Where the kernel finds the account, and what this core has of the domain that it works for (sim/single-pages.ts). */
  readonly accountAt: number;
  stockDomain = -1;
  stock = 0;
  private lastPiece = 0;
  /** Of the core and of the account: what every piece of work reads and adds to. */
  private readonly times: Float64Array;
  private readonly counts: Float64Array;

  /** Queues of one device share its account. */
  constructor(core: Core, account = new DriverAccount()) {
    this.core = core;
    this.account = account;
    this.accountAt = account.at;
    this.times = core.cells;
    this.counts = account.cells;
    core.sharers++;
  }

  get cpu(): number {
    return this.core.cpu;
  }

  get freePs(): number {
    return this.times[FREE];
  }

  /**
   * When this queue may ask for the core: a few ps after it is free, the fewer the longer the queue has waited, so that
   * queues that all have work take turns.
   */
  get turnPs(): number {
    return this.core.sharers === 1 ? this.times[FREE] : this.sharedTurnPs();
  }

  private sharedTurnPs(): number {
    const { sharers, pieces } = this.core;
    return this.times[FREE] + Math.max(0, sharers - 1 - (pieces - this.lastPiece));
  }

  /** Work begins at `nowPs` or when the core is free. */
  begin(nowPs: number): void {
    const { times } = this;
    this.lastPiece = ++this.core.pieces;
    if (times[FREE] < nowPs) times[FREE] = nowPs;
  }

  /** `begin` and `spend`. Returns when it is done. */
  work(nowPs: number, ps: number): number {
    const { times } = this;
    this.lastPiece = ++this.core.pieces;
    const freePs = (times[FREE] < nowPs ? nowPs : times[FREE]) + ps;
    times[FREE] = freePs;
    times[SPENT] += ps;
    this.counts[CPU] += ps;
    return freePs;
  }

  /** Work outside the DMA API. */
  spend(ps: number): void {
    const { times } = this;
    times[FREE] += ps;
    times[SPENT] += ps;
    this.counts[CPU] += ps;
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
  take(lock: Pick<Lock, 'freePs'>, handoffPs: number): void {
    if (this.setup || lock.freePs <= this.core.freePs) return;
    const ps = lock.freePs + handoffPs - this.core.freePs;
    this.spend(ps);
    this.account.cpuLockPs += ps;
  }

  drop(lock: Pick<Lock, 'freePs'>): void {
    if (!this.setup) lock.freePs = this.core.freePs;
  }

  /** One unmap was reachable through caches from `fromPs` to `toPs`. */
  recordStaleWindow(fromPs: number, toPs: number): void {
    this.account.addStaleWindow(toPs - fromPs);
  }
}
