/**
 * One unit's command queue (AMD command buffer, VT-d invalidation queue): a bounded ring in memory with head and tail, which
 * software fills with encoded commands and one command processor reads and executes in order, in its own time.
 *
 * The processor reads a command when the tail passes it, and books its time at once, so the submitter learns when it will have
 * been executed; the engine applies the effect when simulated time gets there (`nextAt`, `process`). Times are ps.
 *
 * An illegal command halts the processor (AMD 48882 section 2.4: ILLEGAL_COMMAND_ERROR; VT-d: invalidation queue error):
 * nothing behind it is read until `restart`. Software that waits meanwhile gives up as Linux does.
 */
import { assert } from '../lib/assert.ts';
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

/** Where the ring and the semaphore of completion waits lie. */
export interface CommandRing {
  readonly words: Int32Array;
  /** Index of the first slot's first word. */
  readonly first: number;
  /** Physical address of the first slot. */
  readonly address: number;
  /** The 64-bit word that completion waits store to: index and address (0: waits store nothing). */
  readonly semaphore: number;
  readonly semaphoreAddress: number;
}

/** Bytes of a ring and the semaphore behind it. */
export function ringBytes(entries: number): number {
  return entries * COMMAND_BYTES + 64;
}

/** A ring in memory of its own. */
export function ringIn(words: Int32Array, first: number, address: number, entries: number): CommandRing {
  const bytes = entries * COMMAND_BYTES;
  return { words, first, address, semaphore: first + bytes / 4, semaphoreAddress: address + bytes };
}

/** Linux's LOOP_TIMEOUT: 100,000 polls a microsecond apart (amd/iommu.c wait_on_sem, __iommu_queue_command_sync). */
const TIMEOUT_PS = 100e9;
/** CommandQueue.times: when the processor has executed everything that it has read; when devices have answered all
 * invalidations of their TLBs; when the tail was moved last. */
const IDLE = 0;
const DEVICE_TLBS = 1;
const DOORBELL = 2;
/** Address of rings that belong to no kernel memory. */
const OWN_ADDRESS = 0x1000;

export class CommandQueue implements CommandPort {
  readonly spec: CommandQueueSpec;
  readonly encoding: CommandEncoding;
  readonly ring: CommandRing;
  private readonly handler: CommandHandler;
  private readonly commandPs: number;
  private readonly waitPs: number;
  private readonly capacity: number;
  /** Commands as software fills them; the two that every unmap sends have their own. */
  private readonly command = new Command();
  private readonly pages = new Command().clear(PAGES);
  private readonly wait = new Command().clear(WAIT);
  private readonly read = new Command();
  /** Commands written by software since the start. */
  private written = 0;
  /** Indexes of the words of the next command to be written and to be read: tail and head registers. */
  private writeAt: number;
  private fetchAt: number;
  private readonly endAt: number;
  /** Commands that the processor has read. Fewer than written only when it has halted. */
  private fetched = 0;
  /** Of those, the first whose effect is still to come. Times and words lie at sequence number modulo a power of two. */
  private applied = 0;
  private donePs: Float64Array;
  private words: Int32Array;
  private kinds: Uint8Array;
  /** IDLE, DEVICE_TLBS, DOORBELL: in an array, because V8 allocates doubles that pass through calls. */
  private readonly times = new Float64Array(3);
  private halted = false;
  /** What the last completion wait stores (Linux: cmd_sem_val). */
  private stores = 0;

  /** Since the last resetCounts: commands (waits included), waits, submissions that found the ring full, busy time. */
  commands = 0;
  completionWaits = 0;
  fullStalls = 0;
  stalledPs = 0;
  busyPs = 0;
  /** Waits for a slot or a semaphore that software gave up. */
  timeouts = 0;
  /** Commands by kind (commands/command.ts). */
  readonly byKind = new Float64Array(COMMAND_KINDS);

  constructor(
    spec: CommandQueueSpec,
    handler: CommandHandler,
    encoding: CommandEncoding = amdCommands,
    ring: CommandRing = ringIn(new Int32Array(ringBytes(spec.entries) / 4), 0, OWN_ADDRESS, spec.entries),
  ) {
    assert(spec.entries >= 2, 'a command queue has at least two slots');
    this.spec = spec;
    this.handler = handler;
    this.encoding = encoding;
    this.ring = ring;
    this.commandPs = Math.round(spec.commandNs * 1000);
    this.waitPs = Math.round(spec.completionWaitNs * 1000);
    this.capacity = spec.entries - 1;
    let slots = 2;
    while (slots < spec.entries) slots *= 2;
    this.donePs = new Float64Array(slots);
    this.words = new Int32Array(slots * COMMAND_WORDS);
    this.kinds = new Uint8Array(slots);
    this.writeAt = this.fetchAt = ring.first;
    this.endAt = ring.first + spec.entries * COMMAND_WORDS;
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
    return this.addressOf(this.fetched);
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
    const { semaphoreAddress } = this.ring;
    const command = this.wait;
    command.address = semaphoreAddress;
    command.data = (this.stores + 1) | 0;
    this.stores = command.data;
    this.completionWaits++;
    this.submit(nowPs, command);
    if (!this.halted) return this.times[IDLE];
    this.timeouts++;
    return nowPs + TIMEOUT_PS;
  }

  /** Encodes any command into the ring. */
  submit(nowPs: number, command: Command): number {
    const atPs = this.waitForSlot(nowPs);
    if (atPs === Infinity) return this.giveUp(nowPs);
    this.encoding.encode(this.ring.words, this.writeAt, command);
    this.times[DOORBELL] = atPs;
    this.doorbell();
    return atPs;
  }

  /** The same with words that somebody else has encoded, such as a guest. */
  submitWords(nowPs: number, w0: number, w1: number, w2: number, w3: number): number {
    const atPs = this.waitForSlot(nowPs);
    if (atPs === Infinity) return this.giveUp(nowPs);
    this.ring.words.set([w0, w1, w2, w3], this.writeAt);
    this.times[DOORBELL] = atPs;
    this.doorbell();
    return atPs;
  }

  /** Head register at a time: slot of the first command that the processor has not finished. */
  headAt(nowPs: number): number {
    let seq = this.applied;
    while (seq < this.fetched && this.donePs[seq & (this.donePs.length - 1)] <= nowPs) seq++;
    return seq % this.spec.entries;
  }

  /** Tail register: slot that the next command goes to. */
  get tail(): number {
    return this.written % this.spec.entries;
  }

  /** The processor stands at an illegal command. */
  get isHalted(): boolean {
    return this.halted;
  }

  /** When the processor will have executed all that it has read. */
  get idlePs(): number {
    return this.times[IDLE];
  }

  private doorbell(): void {
    this.written++;
    this.writeAt = this.after(this.writeAt);
    this.fetch();
  }

  private after(at: number): number {
    const next = at + COMMAND_WORDS;
    return next === this.endAt ? this.ring.first : next;
  }

  /** When the slot of the next command is free. Infinity: never, as things are. */
  private waitForSlot(nowPs: number): number {
    if (this.written < this.capacity) return nowPs;
    const before = this.written - this.capacity;
    if (before >= this.fetched) return Infinity;
    const freeAtPs = this.donePs[before & (this.donePs.length - 1)];
    if (freeAtPs <= nowPs) return nowPs;
    this.fullStalls++;
    this.stalledPs += freeAtPs - nowPs;
    return freeAtPs;
  }

  /** The ring of a halted processor stays full: the command is dropped. */
  private giveUp(nowPs: number): number {
    this.fullStalls++;
    this.stalledPs += TIMEOUT_PS;
    this.timeouts++;
    return nowPs + TIMEOUT_PS;
  }

  // ---- The processor ---------------------------------------------------------------------------------------------------

  /** When the next command takes effect; Infinity if none is pending. */
  nextAt(): number {
    return this.applied === this.fetched ? Infinity : this.donePs[this.applied & (this.donePs.length - 1)];
  }

  /** Applies, in order, every command whose time has come. */
  process(nowPs: number): void {
    while (this.applied !== this.fetched) {
      const slot = this.applied & (this.donePs.length - 1);
      if (this.donePs[slot] > nowPs) return;
      this.applied++;
      this.apply(slot);
    }
  }

  /** Software has mended what halted the processor: it goes on behind the illegal command. */
  restart(nowPs: number): void {
    if (!this.halted) return;
    this.halted = false;
    this.times[IDLE] = Math.max(this.times[IDLE], nowPs);
    this.times[DOORBELL] = nowPs;
    this.fetch();
  }

  /** Forgets the counts (end of warm-up), not the commands. */
  resetCounts(): void {
    this.commands = this.completionWaits = this.fullStalls = this.stalledPs = this.busyPs = this.timeouts = 0;
    this.byKind.fill(0);
  }

  /** Reads what the ring holds, and books the time of each command. */
  private fetch(): void {
    while (this.fetched < this.written && !this.halted) this.fetchOne();
  }

  private fetchOne(): void {
    if (this.fetched - this.applied === this.donePs.length) this.grow();
    const { words, fetchAt: from } = this;
    const ring = this.ring.words;
    const slot = this.fetched & (this.donePs.length - 1);
    const to = slot * COMMAND_WORDS;
    words[to] = ring[from];
    words[to + 1] = ring[from + 1];
    words[to + 2] = ring[from + 2];
    words[to + 3] = ring[from + 3];
    const kind = this.encoding.kindOf(words, to);
    if (kind === ILLEGAL) this.halted = true;
    this.kinds[slot] = kind;
    this.execute(slot, kind);
    this.fetched++;
    this.fetchAt = this.after(from);
  }

  /** Books the processor's time for a command that is in the ring since the doorbell. */
  private execute(slot: number, kind: number): void {
    const { times } = this;
    const startPs = Math.max(times[DOORBELL], times[IDLE]);
    let donePs = startPs + this.commandPs;
    if (kind === WAIT) {
      donePs = Math.max(donePs, this.handler.drainedAt(donePs), times[DEVICE_TLBS]) + this.waitPs;
    } else if (kind === DEVICE_TLB) {
      donePs = this.sendToDevice(slot, donePs);
    }
    this.commands++;
    this.byKind[kind]++;
    this.busyPs += donePs - startPs;
    times[IDLE] = donePs;
    this.donePs[slot] = donePs;
  }

  /** When the device has room for the invalidation. */
  private sendToDevice(slot: number, atPs: number): number {
    const { handler, times, read } = this;
    if (handler.deviceTlbDoneAt === undefined) return atPs;
    this.encoding.decode(this.words, slot * COMMAND_WORDS, DEVICE_TLB, read);
    const { device, page, sizeLog2 } = read;
    const donePs = handler.deviceTlbRoomAt?.(device, atPs) ?? atPs;
    times[DEVICE_TLBS] = Math.max(times[DEVICE_TLBS], handler.deviceTlbDoneAt(device, donePs, page, sizeLog2));
    return donePs;
  }

  private apply(slot: number): void {
    const { read } = this;
    const kind = this.kinds[slot];
    this.encoding.decode(this.words, slot * COMMAND_WORDS, kind, read);
    if (kind === WAIT) this.store(read.address, read.data);
    else if (kind === PAGES && read.sizeLog2 !== WHOLE_LOG2) {
      const { domain, pasid, page, sizeLog2, walkCaches } = read;
      this.handler.invalidatePages(domain, pasid, page, sizeLog2, walkCaches, this.donePs[slot]);
    } else this.applyOther(kind, this.donePs[slot]);
  }

  private applyOther(kind: number, atPs: number): void {
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
        return handler.illegalCommand?.(this.addressOf(this.applied - 1), atPs);
      default:
    }
  }

  private addressOf(seq: number): number {
    return this.ring.address + (seq % this.spec.entries) * COMMAND_BYTES;
  }

  /** Completion waits may only store to the semaphore: the rest of memory has no content here. */
  private store(address: number, data: number): void {
    const { words, semaphore, semaphoreAddress } = this.ring;
    if (address !== semaphoreAddress) return;
    words[semaphore] = data | 0;
    words[semaphore + 1] = 0;
  }

  /** More commands are pending than the ring has slots: a core's time runs ahead of the time that effects have reached. */
  private grow(): void {
    const slots = this.donePs.length;
    const donePs = new Float64Array(2 * slots);
    const words = new Int32Array(2 * slots * COMMAND_WORDS);
    const kinds = new Uint8Array(2 * slots);
    for (let seq = this.fetched - slots; seq < this.fetched; seq++) {
      const [from, to] = [seq & (slots - 1), seq & (2 * slots - 1)];
      donePs[to] = this.donePs[from];
      kinds[to] = this.kinds[from];
      words.set(this.words.subarray(from * COMMAND_WORDS, (from + 1) * COMMAND_WORDS), to * COMMAND_WORDS);
    }
    this.donePs = donePs;
    this.words = words;
    this.kinds = kinds;
  }
}
