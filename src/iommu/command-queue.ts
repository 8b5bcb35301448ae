/**
 * One unit's command queue (AMD command buffer, VT-d invalidation queue): a bounded ring in memory with head and tail, which
 * software fills with encoded commands and one command processor reads and executes in order, in its own time.
 *
 * The processor reads a command when the tail passes it, and books its time at once, so the submitter learns when it will have
 * been executed; the engine applies the effect when simulated time gets there (`nextAt`, `process`). Times are ps.
 *
 * What strict mappings send, invalidations of pages and completion waits, is done by the kernel where it can be
 * (kernel/assembly/commands.ts), over the same records; here is every kind of command.
 *
 * An illegal command halts the processor (AMD 48882 section 2.4: ILLEGAL_COMMAND_ERROR; VT-d: invalidation queue error):
 * nothing behind it is read until `restart`. Software that waits meanwhile gives up as Linux does.
 */
import type { Kernel } from '../kernel/kernel.ts';
import {
  PENDING_BYTES,
  PENDING_DONE,
  PENDING_KIND,
  PENDING_WORDS,
  QUEUE_APPLIED,
  QUEUE_BUSY_PS,
  QUEUE_BY_KIND,
  QUEUE_BYTES,
  QUEUE_CAPACITY,
  QUEUE_COMMAND_PS,
  QUEUE_COMMANDS,
  QUEUE_DEVICE_TLBS,
  QUEUE_DOORBELL,
  QUEUE_DRAINED,
  QUEUE_FETCH,
  QUEUE_FETCHED,
  QUEUE_FULL_STALLS,
  QUEUE_HALTED,
  QUEUE_IDLE,
  QUEUE_PENDING,
  QUEUE_PENDING_MASK,
  QUEUE_PLAIN,
  QUEUE_RESERVED_PAGES,
  QUEUE_RESERVED_PASID,
  QUEUE_RESERVED_WAIT,
  QUEUE_RING,
  QUEUE_RING_END,
  QUEUE_SEMAPHORE,
  QUEUE_SEMAPHORE_ADDRESS,
  QUEUE_STALLED_PS,
  QUEUE_STORES,
  QUEUE_TIMEOUTS,
  QUEUE_UNIT,
  QUEUE_VTD,
  QUEUE_WAIT_PS,
  QUEUE_WAIT_WORDS,
  QUEUE_WAITS,
  QUEUE_WRITE,
  QUEUE_WRITTEN,
} from '../kernel/layout-queue.ts';
import { assert } from '../lib/assert.ts';
import { type CommandRing, ringBytes, ringIn } from './command-ring.ts';
import { amdCommands } from './commands/amd.ts';
import {
  ALL_PAGES,
  Command,
  COMMAND_BYTES,
  COMMAND_KINDS,
  COMMAND_WORDS,
  type CommandEncoding,
  CONTEXTS,
  DEVICE,
  DEVICE_TLB,
  EVERYTHING,
  ILLEGAL,
  PAGES,
  PASID_CACHE,
  PPR_RESPONSE,
  PREFETCH,
  TWO_32,
  WAIT,
  WHOLE_LOG2,
} from './commands/command.ts';

/** What the commands do to the unit's caches. The handler is told the time at which the command executes. */
export interface CommandHandler {
  /**
   * INVALIDATE_IOMMU_PAGES: the naturally aligned 2^sizeLog2 bytes that contain `page` (IOVA / 4096). `pasid` -1: the
   * domain's untagged translations. `walkCaches` is AMD's PDE bit, the inverse of VT-d's invalidation hint.
   */
  invalidatePages(
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
    atPs: number,
  ): void;
  /** Everything of the domain: leaves and walk caches. `pasid` -1: every PASID. */
  invalidateAll(domain: number, pasid: number, atPs: number): void;
  /** The cached device-table entry, and PASID entries, of one device. */
  invalidateDevice(bdf: number, atPs: number): void;
  /** When all requests that are in flight at `atPs` are done: what a completion wait drains. ≤ atPs: nothing to wait for. */
  drainedAt(atPs: number): number;

  // A unit that lacks what these are about leaves them out: the command then takes its time only.
  /** Every cache. */
  invalidateEverything?(atPs: number): void;
  /** PASID-cache entries: of one PASID (-1: any) of a domain (-1: any). */
  invalidatePasid?(domain: number, pasid: number, atPs: number): void;
  /** The translations that a device with ATS keeps: 2^sizeLog2 bytes around `page` (64: all). */
  invalidateDeviceTlb?(bdf: number, pasid: number, page: number, sizeLog2: number, atPs: number): void;
  /** When the device takes another invalidation, ≥ atPs: until then the processor waits. */
  deviceTlbRoomAt?(bdf: number, atPs: number): number;
  /** When the device will have answered an invalidation sent at `atPs`: what a later completion wait waits for. */
  deviceTlbDoneAt?(bdf: number, atPs: number, page: number, sizeLog2: number): number;
  /** Walks ahead of use: `count` pages of 2^sizeLog2 bytes from `page` on. */
  prefetch?(bdf: number, pasid: number, page: number, sizeLog2: number, count: number, atPs: number): void;
  /** The answer to a page request group. `status`: 0 success, 1 invalid, 15 failure. */
  completePpr?(bdf: number, pasid: number, tag: number, status: number, atPs: number): void;
  /** The processor has met an illegal command at this physical address, and stands still. */
  illegalCommand?(address: number, atPs: number): void;
}

/** What a driver needs of a queue; the engine may stand in another one for a unit that lives in another thread. */
export interface CommandPort {
  /** Each returns when the submitter may go on: `nowPs`, or later if it had to wait for a free slot. */
  submitPages(
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): number;
  submitAll(nowPs: number, domain: number, pasid: number): number;
  submitDevice(nowPs: number, bdf: number): number;
  /** Returns when the wait's semaphore is written: all commands before it have been executed. */
  completionWait(nowPs: number): number;
}

export interface CommandQueueSpec {
  /** Slots of the ring; one always stays empty, so that full and empty differ. ≥ 2. */
  readonly entries: number;
  readonly commandNs: number;
  /** On top of `commandNs`, for a completion wait. */
  readonly completionWaitNs: number;
}

/** Linux's LOOP_TIMEOUT: 100,000 polls a microsecond apart (amd/iommu.c wait_on_sem, __iommu_queue_command_sync). */
const TIMEOUT_PS = 100e9;
/** Address of rings that belong to no kernel memory. */
const OWN_ADDRESS = 0x1000;

/** What the kernel needs to take the short way: where the queue's records lie, and what its commands act on. */
export interface QueueHardware {
  readonly kernel: Kernel;
  /** Kernel memory of `queueBytes`, zeroed. The ring lies in kernel memory too. */
  readonly at: number;
  /** The unit's record. */
  readonly unit: number;
  /** Told how many cache entries commands have dropped. */
  dropped(entries: number): void;
}

const DOMAIN_BITS_BYTES = 65_536 / 8;

/** Kernel memory of a queue's records, beside its ring. */
export function queueBytes(entries: number): number {
  return QUEUE_BYTES + DOMAIN_BITS_BYTES + pendingSlots(entries) * PENDING_BYTES;
}

/**
 * Commands that have been read and have had no effect yet: more than the ring's slots, because a core's time runs ahead of the
 * time that effects have reached. Beyond this they are kept elsewhere.
 */
function pendingSlots(entries: number): number {
  let slots = 2;
  while (slots < 2 * entries) slots *= 2;
  return slots;
}

/** Commands that have been read, by sequence number modulo a power of two. */
interface Pending {
  /** Over the same memory; `at` is the first record's offset in bytes. */
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly at: number;
  readonly mask: number;
}

function ownPending(slots: number): Pending {
  const buffer = new ArrayBuffer(slots * PENDING_BYTES);
  return { words: new Int32Array(buffer), doubles: new Float64Array(buffer), at: 0, mask: slots - 1 };
}

export class CommandQueue implements CommandPort {
  readonly spec: CommandQueueSpec;
  readonly encoding: CommandEncoding;
  readonly ring: CommandRing;
  private readonly handler: CommandHandler;
  /** For the kernel's short way; undefined where it cannot be gone. */
  private hardware: QueueHardware | undefined;
  /** The record, QUEUE_* of kernel/layout.ts. */
  private readonly words: Uint32Array;
  private readonly doubles: Float64Array;
  /** A bit for each domain ID. */
  private readonly plainDomains: Uint32Array;
  private pending: Pending;
  /** Commands as software fills them; the two that every unmap sends have their own. */
  private readonly command = new Command();
  private readonly pages = new Command().clear(PAGES);
  private readonly wait = new Command().clear(WAIT);
  private readonly read = new Command();
  /** Commands since the last resetCounts, by kind (commands/command.ts). */
  readonly byKind: Float64Array;
  /** Of kind PAGES those that name the whole address space of a domain or PASID, of kind CONTEXTS those of all domains. */
  wholeDomains = 0;
  allContexts = 0;

  constructor(
    spec: CommandQueueSpec,
    handler: CommandHandler,
    encoding: CommandEncoding = amdCommands,
    ring: CommandRing = ringIn(new Int32Array(ringBytes(spec.entries) / 4), 0, OWN_ADDRESS, spec.entries),
    hardware?: QueueHardware,
  ) {
    assert(spec.entries >= 2, 'a command queue has at least two slots');
    this.spec = spec;
    this.handler = handler;
    this.encoding = encoding;
    this.ring = ring;
    this.hardware = hardware;
    const buffer = hardware?.kernel.memory.buffer ?? new ArrayBuffer(QUEUE_BYTES);
    const at = hardware?.at ?? 0;
    this.words = new Uint32Array(buffer, at, QUEUE_BYTES / 4);
    this.doubles = new Float64Array(buffer, at, QUEUE_BYTES / 8);
    const bits = hardware === undefined ? new ArrayBuffer(DOMAIN_BITS_BYTES) : buffer;
    this.plainDomains = new Uint32Array(bits, hardware === undefined ? 0 : at + QUEUE_BYTES, DOMAIN_BITS_BYTES / 4);
    this.byKind = this.doubles.subarray(QUEUE_BY_KIND / 8, QUEUE_BY_KIND / 8 + COMMAND_KINDS);
    this.doubles[QUEUE_COMMAND_PS / 8] = Math.round(spec.commandNs * 1000);
    this.doubles[QUEUE_WAIT_PS / 8] = Math.round(spec.completionWaitNs * 1000);
    this.words[QUEUE_CAPACITY / 4] = spec.entries - 1;
    this.words[QUEUE_RING / 4] = this.words[QUEUE_WRITE / 4] = this.words[QUEUE_FETCH / 4] = 4 * ring.first;
    this.words[QUEUE_RING_END / 4] = 4 * ring.first + spec.entries * COMMAND_BYTES;
    this.pending = hardware === undefined ? ownPending(pendingSlots(spec.entries)) : this.layPending(hardware);
    if (hardware !== undefined) this.layHardware(hardware);
  }

  private layPending({ kernel, at }: QueueHardware): Pending {
    const first = at + QUEUE_BYTES + DOMAIN_BITS_BYTES;
    const mask = pendingSlots(this.spec.entries) - 1;
    this.words[QUEUE_PENDING / 4] = first;
    this.words[QUEUE_PENDING_MASK / 4] = mask;
    return { words: kernel.i32, doubles: kernel.f64, at: first, mask };
  }

  private layHardware({ at, unit }: QueueHardware): void {
    const { words, ring, encoding } = this;
    words[QUEUE_PLAIN / 4] = at + QUEUE_BYTES;
    words[QUEUE_UNIT / 4] = unit;
    words[QUEUE_VTD / 4] = encoding.name === 'vtd' ? 1 : 0;
    words[QUEUE_SEMAPHORE / 4] = 4 * ring.semaphore;
    words[QUEUE_SEMAPHORE_ADDRESS / 4] = ring.semaphoreAddress % TWO_32;
    words[QUEUE_SEMAPHORE_ADDRESS / 4 + 1] = Math.floor(ring.semaphoreAddress / TWO_32);
    const stored = new Int32Array(COMMAND_WORDS);
    this.wait.address = ring.semaphoreAddress;
    encoding.encode(stored, 0, this.wait);
    words.set(stored, QUEUE_WAIT_WORDS / 4);
    const { pages, pasidPages, wait } = encoding.reserved;
    words.set(pages, QUEUE_RESERVED_PAGES / 4);
    words.set(pasidPages, QUEUE_RESERVED_PASID / 4);
    words.set(wait, QUEUE_RESERVED_WAIT / 4);
  }

  /** Says that the devices of a domain go through one host table and nothing else: no guest's translations go with its pages. */
  setPlain(domain: number): void {
    this.plainDomains[domain >>> 5] |= 1 << (domain & 31);
  }

  isPlain(domain: number): boolean {
    return ((this.plainDomains[domain >>> 5] >>> (domain & 31)) & 1) === 1;
  }

  /** Kernel memory of the queue's records, for what the kernel sends itself; undefined: they lie elsewhere. */
  get shortWay(): number | undefined {
    return this.hardware?.at;
  }

  /** Kernel memory of the time at which the requests in flight are done (f64, ps). */
  setDrained(pointer: number): void {
    this.words[QUEUE_DRAINED / 4] = pointer;
  }

  // ---- Counts since the last resetCounts -----------------------------------------------------------------------------

  /** Commands, waits included. */
  get commands(): number {
    return this.doubles[QUEUE_COMMANDS / 8];
  }

  get completionWaits(): number {
    return this.doubles[QUEUE_WAITS / 8];
  }

  /** Submissions that found the ring full. */
  get fullStalls(): number {
    return this.doubles[QUEUE_FULL_STALLS / 8];
  }

  get stalledPs(): number {
    return this.doubles[QUEUE_STALLED_PS / 8];
  }

  get busyPs(): number {
    return this.doubles[QUEUE_BUSY_PS / 8];
  }

  /** Waits for a slot or a semaphore that software gave up. */
  get timeouts(): number {
    return this.doubles[QUEUE_TIMEOUTS / 8];
  }

  /** Forgets the counts (end of warm-up), not the commands. */
  resetCounts(): void {
    this.doubles.fill(0, QUEUE_COMMANDS / 8, QUEUE_BY_KIND / 8 + COMMAND_KINDS);
    this.wholeDomains = this.allContexts = 0;
  }

  // ---- Software's side -----------------------------------------------------------------------------------------------

  submitPages(
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): number {
    const { hardware } = this;
    if (hardware !== undefined) {
      const { exports } = hardware.kernel;
      const atPs = exports.queuePages(hardware.at, nowPs, domain, pasid, page, sizeLog2, walkCaches ? 1 : 0);
      if (atPs >= 0) {
        if (sizeLog2 >= WHOLE_LOG2 && !this.isHalted) this.wholeDomains++;
        return atPs;
      }
    }
    const command = this.pages;
    command.domain = domain;
    command.pasid = pasid;
    command.page = page;
    command.sizeLog2 = sizeLog2;
    command.walkCaches = walkCaches;
    return this.submit(nowPs, command);
  }

  submitAll(nowPs: number, domain: number, pasid: number): number {
    return this.submitPages(nowPs, domain, pasid, 0, WHOLE_LOG2, true);
  }

  submitDevice(nowPs: number, bdf: number): number {
    const command = this.command.clear(DEVICE);
    command.device = bdf;
    return this.submit(nowPs, command);
  }

  /** After a change of the PASID's entry in a GCR3 table or PASID directory. `pasid` ≥ 0. */
  submitPasid(nowPs: number, domain: number, pasid: number): number {
    const command = this.command.clear(PASID_CACHE);
    command.domain = domain;
    command.pasid = pasid;
    return this.submit(nowPs, command);
  }

  /** Drops what a device with ATS keeps of the aligned 2^sizeLog2 bytes around `page`. `pasid` -1: its untagged translations. */
  submitDeviceTlb(nowPs: number, bdf: number, pasid: number, page: number, sizeLog2: number): number {
    const command = this.command.clear(DEVICE_TLB);
    command.device = bdf;
    command.pasid = pasid;
    command.page = page;
    command.sizeLog2 = sizeLog2;
    return this.submit(nowPs, command);
  }

  /** The answer to a page request group. `status`: 0 success, 1 invalid, 15 failure. */
  submitPageResponse(nowPs: number, bdf: number, pasid: number, group: number, status: number): number {
    const command = this.command.clear(PPR_RESPONSE);
    command.device = bdf;
    command.pasid = pasid;
    command.data = group;
    command.status = status;
    return this.submit(nowPs, command);
  }

  /** Physical address of the command that the processor reads. */
  get fetchAddress(): number {
    return this.addressAt(this.words[QUEUE_FETCH / 4]);
  }

  /** Empties every cache: one command or several. */
  submitEverything(nowPs: number): number {
    let atPs = nowPs;
    for (const kind of this.encoding.everything) {
      const command = this.command.clear(kind);
      command.domain = -1;
      atPs = this.submit(atPs, command);
    }
    return atPs;
  }

  completionWait(nowPs: number): number {
    const { hardware, words, doubles, wait } = this;
    if (hardware !== undefined) {
      const donePs = hardware.kernel.exports.queueWait(hardware.at, nowPs);
      if (donePs >= 0) return donePs;
    }
    wait.address = this.ring.semaphoreAddress;
    wait.data = ++words[QUEUE_STORES / 4] | 0;
    doubles[QUEUE_WAITS / 8]++;
    this.submit(nowPs, wait);
    if (!this.isHalted) return this.idlePs;
    doubles[QUEUE_TIMEOUTS / 8]++;
    return nowPs + TIMEOUT_PS;
  }

  /** Encodes any command into the ring. */
  submit(nowPs: number, command: Command): number {
    const atPs = this.waitForSlot(nowPs);
    if (atPs === Infinity) return this.giveUp(nowPs);
    this.encoding.encode(this.ring.words, this.words[QUEUE_WRITE / 4] >>> 2, command);
    this.doorbell(atPs);
    return atPs;
  }

  /** The same with words that somebody else has encoded, such as a guest. */
  submitWords(nowPs: number, w0: number, w1: number, w2: number, w3: number): number {
    const atPs = this.waitForSlot(nowPs);
    if (atPs === Infinity) return this.giveUp(nowPs);
    this.ring.words.set([w0, w1, w2, w3], this.words[QUEUE_WRITE / 4] >>> 2);
    this.doorbell(atPs);
    return atPs;
  }

  /** Head register at a time: slot of the first command that the processor has not finished. */
  headAt(nowPs: number): number {
    const { words } = this;
    let waiting = (words[QUEUE_FETCHED / 4] - words[QUEUE_APPLIED / 4]) >>> 0;
    while (waiting > 0 && this.doneAt(words[QUEUE_FETCHED / 4] - waiting) <= nowPs) waiting--;
    const { entries } = this.spec;
    return (((this.slotAt(words[QUEUE_FETCH / 4]) - waiting) % entries) + entries) % entries;
  }

  /** Tail register: slot that the next command goes to. */
  get tail(): number {
    return this.slotAt(this.words[QUEUE_WRITE / 4]);
  }

  /** The processor stands at an illegal command. */
  get isHalted(): boolean {
    return this.words[QUEUE_HALTED / 4] !== 0;
  }

  /** When the processor will have executed all that it has read. */
  get idlePs(): number {
    return this.doubles[QUEUE_IDLE / 8];
  }

  private doorbell(atPs: number): void {
    const { words, doubles } = this;
    doubles[QUEUE_DOORBELL / 8] = atPs;
    words[QUEUE_WRITTEN / 4]++;
    words[QUEUE_WRITE / 4] = this.after(words[QUEUE_WRITE / 4]);
    this.fetch();
  }

  private after(at: number): number {
    const next = at + COMMAND_BYTES;
    return next === this.words[QUEUE_RING_END / 4] ? this.words[QUEUE_RING / 4] : next;
  }

  private slotAt(pointer: number): number {
    return (pointer - this.words[QUEUE_RING / 4]) / COMMAND_BYTES;
  }

  private addressAt(pointer: number): number {
    return this.ring.address + pointer - this.words[QUEUE_RING / 4];
  }

  /** When the slot of the next command is free. Infinity: never, as things are. */
  private waitForSlot(nowPs: number): number {
    const { words, doubles } = this;
    const before = words[QUEUE_WRITTEN / 4] - words[QUEUE_CAPACITY / 4];
    if (((words[QUEUE_FETCHED / 4] - before) | 0) <= 0) return Infinity;
    const freeAtPs = this.doneAt(before); // 0: never used
    if (freeAtPs <= nowPs) return nowPs;
    doubles[QUEUE_FULL_STALLS / 8]++;
    doubles[QUEUE_STALLED_PS / 8] += freeAtPs - nowPs;
    return freeAtPs;
  }

  /** The ring of a halted processor stays full: the command is dropped. */
  private giveUp(nowPs: number): number {
    const { doubles } = this;
    doubles[QUEUE_FULL_STALLS / 8]++;
    doubles[QUEUE_STALLED_PS / 8] += TIMEOUT_PS;
    doubles[QUEUE_TIMEOUTS / 8]++;
    return nowPs + TIMEOUT_PS;
  }

  /** Offset of a command's record, by its sequence number. */
  private recordOf(seq: number): number {
    return this.pending.at + (seq & this.pending.mask) * PENDING_BYTES;
  }

  private doneAt(seq: number): number {
    return this.pending.doubles[(this.recordOf(seq) + PENDING_DONE) / 8];
  }

  // ---- The processor ---------------------------------------------------------------------------------------------------

  /** When the next command takes effect; Infinity if none is pending. */
  nextAt(): number {
    const { words } = this;
    return words[QUEUE_APPLIED / 4] === words[QUEUE_FETCHED / 4] ? Infinity : this.doneAt(words[QUEUE_APPLIED / 4]);
  }

  /** Applies, in order, every command whose time has come. */
  process(nowPs: number): void {
    const { hardware } = this;
    if (hardware === undefined) return this.processAll(nowPs);
    const dropped = hardware.kernel.exports.queueProcess(hardware.at, nowPs);
    if (dropped < 0) this.processOther(hardware, dropped, nowPs);
    else hardware.dropped(dropped);
  }

  /** The kernel has stopped before a command that it does not know: `answer` is below 0 (queueProcess). */
  private processOther(hardware: QueueHardware, answer: number, nowPs: number): void {
    let dropped = answer;
    while (dropped < 0) {
      hardware.dropped(-1 - dropped);
      if (!this.processOne(nowPs)) return;
      if (this.hardware === undefined) return this.processAll(nowPs);
      dropped = hardware.kernel.exports.queueProcess(hardware.at, nowPs);
    }
    hardware.dropped(dropped);
  }

  private processAll(nowPs: number): void {
    while (this.processOne(nowPs));
  }

  private processOne(nowPs: number): boolean {
    const { words } = this;
    const seq = words[QUEUE_APPLIED / 4];
    if (seq === words[QUEUE_FETCHED / 4] || this.doneAt(seq) > nowPs) return false;
    words[QUEUE_APPLIED / 4] = seq + 1;
    this.apply(seq);
    return true;
  }

  /** Software has mended what halted the processor: it goes on behind the illegal command. */
  restart(nowPs: number): void {
    if (!this.isHalted) return;
    const { words, doubles } = this;
    words[QUEUE_HALTED / 4] = 0;
    doubles[QUEUE_IDLE / 8] = Math.max(doubles[QUEUE_IDLE / 8], nowPs);
    doubles[QUEUE_DOORBELL / 8] = nowPs;
    this.fetch();
  }

  /** Reads what the ring holds, and books the time of each command. */
  private fetch(): void {
    const { words } = this;
    while (words[QUEUE_FETCHED / 4] !== words[QUEUE_WRITTEN / 4] && !this.isHalted) this.fetchOne();
  }

  private fetchOne(): void {
    const { words, ring } = this;
    const seq = words[QUEUE_FETCHED / 4];
    if ((seq - words[QUEUE_APPLIED / 4]) >>> 0 > this.pending.mask) this.grow();
    const record = this.recordOf(seq);
    const to = (record + PENDING_WORDS) / 4;
    const from = words[QUEUE_FETCH / 4] >>> 2;
    for (let word = 0; word < COMMAND_WORDS; word++) this.pending.words[to + word] = ring.words[from + word];
    const kind = this.encoding.kindOf(this.pending.words, to);
    if (kind === ILLEGAL) words[QUEUE_HALTED / 4] = 1;
    this.execute(record, kind);
    words[QUEUE_FETCHED / 4] = seq + 1;
    words[QUEUE_FETCH / 4] = this.after(words[QUEUE_FETCH / 4]);
  }

  /** Books the processor's time for a command that is in the ring since the doorbell. */
  private execute(record: number, kind: number): void {
    const { doubles, pending } = this;
    const startPs = Math.max(doubles[QUEUE_DOORBELL / 8], doubles[QUEUE_IDLE / 8]);
    let donePs = startPs + doubles[QUEUE_COMMAND_PS / 8];
    if (kind === WAIT) {
      const drainedPs = this.handler.drainedAt(donePs);
      donePs = Math.max(donePs, drainedPs, doubles[QUEUE_DEVICE_TLBS / 8]) + doubles[QUEUE_WAIT_PS / 8];
    } else if (kind === DEVICE_TLB) {
      donePs = this.sendToDevice(record, donePs);
    } else if (kind === PAGES || kind === CONTEXTS) this.countWhole(record, kind);
    doubles[QUEUE_COMMANDS / 8]++;
    this.byKind[kind]++;
    doubles[QUEUE_BUSY_PS / 8] += donePs - startPs;
    doubles[QUEUE_IDLE / 8] = donePs;
    pending.doubles[(record + PENDING_DONE) / 8] = donePs;
    pending.words[(record + PENDING_KIND) / 4] = kind;
  }

  private countWhole(record: number, kind: number): void {
    this.encoding.decode(this.pending.words, (record + PENDING_WORDS) / 4, kind, this.read);
    if (kind === CONTEXTS) this.allContexts += this.read.domain < 0 ? 1 : 0;
    else if (this.read.sizeLog2 >= WHOLE_LOG2) this.wholeDomains++;
  }

  /** When the device has room for the invalidation. */
  private sendToDevice(record: number, atPs: number): number {
    const { handler, doubles, read } = this;
    if (handler.deviceTlbDoneAt === undefined) return atPs;
    this.encoding.decode(this.pending.words, (record + PENDING_WORDS) / 4, DEVICE_TLB, read);
    const { device, page, sizeLog2 } = read;
    const donePs = handler.deviceTlbRoomAt?.(device, atPs) ?? atPs;
    const answeredPs = handler.deviceTlbDoneAt(device, donePs, page, sizeLog2);
    doubles[QUEUE_DEVICE_TLBS / 8] = Math.max(doubles[QUEUE_DEVICE_TLBS / 8], answeredPs);
    return donePs;
  }

  private apply(seq: number): void {
    const { read, pending } = this;
    const record = this.recordOf(seq);
    const kind = pending.words[(record + PENDING_KIND) / 4];
    const donePs = pending.doubles[(record + PENDING_DONE) / 8];
    this.encoding.decode(pending.words, (record + PENDING_WORDS) / 4, kind, read);
    if (kind === WAIT) this.store(read.address, read.data);
    else if (kind === PAGES && read.sizeLog2 !== WHOLE_LOG2) {
      const { domain, pasid, page, sizeLog2, walkCaches } = read;
      this.handler.invalidatePages(domain, pasid, page, sizeLog2, walkCaches, donePs);
    } else this.applyOther(kind, donePs, seq);
  }

  private applyOther(kind: number, atPs: number, seq: number): void {
    const { handler, read } = this;
    const { domain, pasid, device, page, sizeLog2 } = read;
    switch (kind) {
      case PAGES:
        return handler.invalidateAll(domain, pasid, atPs);
      case DEVICE:
        return handler.invalidateDevice(device, atPs);
      case PASID_CACHE:
        return handler.invalidatePasid?.(domain, pasid, atPs);
      case DEVICE_TLB:
        return handler.invalidateDeviceTlb?.(device, pasid, page, sizeLog2, atPs);
      case PREFETCH:
        return handler.prefetch?.(device, pasid, page, sizeLog2, read.data, atPs);
      case PPR_RESPONSE:
        return handler.completePpr?.(device, pasid, read.data, read.status, atPs);
      case EVERYTHING:
      case ALL_PAGES:
      case CONTEXTS: // by domain or global: hardware may always drop more
        return handler.invalidateEverything?.(atPs);
      case ILLEGAL:
        return handler.illegalCommand?.(this.addressOf(seq), atPs);
      default:
    }
  }

  private addressOf(seq: number): number {
    const { words, spec } = this;
    const behind = (words[QUEUE_FETCHED / 4] - seq) >>> 0;
    const slot = this.slotAt(words[QUEUE_FETCH / 4]) - (behind % spec.entries);
    return this.ring.address + (slot < 0 ? slot + spec.entries : slot) * COMMAND_BYTES;
  }

  /** Completion waits may only store to the semaphore: the rest of memory has no content here. */
  private store(address: number, data: number): void {
    const { words, semaphore, semaphoreAddress } = this.ring;
    if (address !== semaphoreAddress) return;
    words[semaphore] = data | 0;
    words[semaphore + 1] = 0;
  }

  /** From now on pending commands lie here, where the kernel does not see them. */
  private grow(): void {
    const { words, pending } = this;
    const slots = pending.mask + 1;
    const grown = ownPending(2 * slots);
    for (let i = 0, seq = words[QUEUE_FETCHED / 4] - slots; i < slots; i++, seq++) {
      const from = this.recordOf(seq) / 4;
      grown.words.set(pending.words.subarray(from, from + PENDING_BYTES / 4), ((seq & grown.mask) * PENDING_BYTES) / 4);
    }
    this.pending = grown;
    words[QUEUE_PENDING / 4] = words[QUEUE_PENDING_MASK / 4] = 0;
    this.hardware = undefined;
  }
}
