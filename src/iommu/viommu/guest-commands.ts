/**
 * AMD hardware-assisted vIOMMU: the unit itself reads a guest's command buffer. It finds the buffer through the host's
 * table of the guest's memory, turns the guest's domain and device IDs into the host's by the tables of its private
 * address space, and then executes the command like any other. The guest's write of the tail register goes straight to
 * hardware: nothing exits.
 *
 * One reader a unit serves all guests, one command after the other, ahead of the unit's command processor; what it
 * translates goes through a small cache of its own. AMD has published neither its structure nor its times.
 */
import { powerOfTwo } from '../../lib/bits.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { WINDOW_LOG2, WINDOW_TABLE } from '../../kernel/layout.ts';
import { assert } from '../../lib/assert.ts';
import { PAGE_BYTES } from '../../request.ts';
import type { CommandPort } from '../command-queue.ts';
import { amdCommands } from '../commands/amd.ts';
import { Command, COMMAND_BYTES, DEVICE, PAGES, WAIT, WHOLE_LOG2 } from '../commands/command.ts';
import { DEVICE_MAP, DOMAIN_MAP, type IdMap, type PrivateSpace } from './private-space.ts';

const WINDOW_PAGES = powerOfTwo(WINDOW_LOG2 - 12);
const READ = 1;
const WRITE = 2;

/** A guest's command buffer, and what leads to it. */
export interface GuestBuffer {
  readonly guestId: number;
  /** Slots; one always stays empty. */
  readonly entries: number;
  /** Kernel memory of the slots and the semaphore behind them, and its GPA (page aligned). */
  readonly base: number;
  readonly gpa: number;
  /** The host's table of the guest's memory, by the translation device ID. */
  readonly host: { readonly rule: number; readonly levels: number; readonly root: bigint };
}

/** Bytes of a buffer with its semaphore, whole pages. */
export function guestBufferBytes(entries: number): number {
  return Math.ceil((entries * COMMAND_BYTES + 8) / PAGE_BYTES) * PAGE_BYTES;
}

export interface CommandReaderConfig {
  readonly kernel: Kernel;
  readonly space: PrivateSpace;
  /** The unit's command processor. */
  readonly port: CommandPort;
  /** Cache of translations of private pages and of pages that hold buffers; 0 = none. */
  readonly cache: number;
  /** One read of memory, ps. */
  readonly readPs: number;
}

/** The unit's reader of all guests' command buffers. */
export class CommandReader {
  private readonly config: CommandReaderConfig;
  private readonly command = new Command();
  private idleAtPs = 0;
  /** Since resetCounts: commands read, memory reads for them, translations asked of the cache and found there. */
  commands = 0;
  reads = 0;
  lookups = 0;
  hits = 0;

  constructor(config: CommandReaderConfig) {
    this.config = config;
  }

  resetCounts(): void {
    this.commands = this.reads = this.lookups = this.hits = 0;
  }

  /** Reads the command in a slot at `atPs` or later, and hands it on. Returns when it was read; `doneAtPs` when it is done. */
  take(buffer: GuestBuffer, slot: number, atPs: number): number {
    const { kernel, readPs, port } = this.config;
    const startPs = Math.max(atPs, this.idleAtPs);
    const before = this.reads;
    const words = this.locate(buffer, slot * COMMAND_BYTES, READ);
    this.reads++;
    const kind = amdCommands.kindOf(kernel.i32, words / 4);
    amdCommands.decode(kernel.i32, words / 4, kind, this.command);
    const { domain, device } = this.command;
    const id = kind === PAGES ? this.hostId(DOMAIN_MAP, buffer, domain) : 0;
    const bdf = kind === DEVICE ? this.hostId(DEVICE_MAP, buffer, device) : 0;
    if (kind === WAIT) this.locate(buffer, buffer.entries * COMMAND_BYTES, WRITE);
    this.commands++;
    const readAtPs = startPs + (this.reads - before) * readPs;
    this.idleAtPs = readAtPs;
    this.doneAtPs = execute(port, this.command, readAtPs, id, bdf);
    return readAtPs;
  }

  /** When the last command's completion wait ends. */
  doneAtPs = 0;

  private hostId(map: IdMap, { guestId }: GuestBuffer, id: number): number {
    const { space } = this.config;
    const known = this.cached(space.pageOf(map, guestId, id), 0);
    const hostId = space.get(map, guestId, id, !known);
    this.reads += space.lastReads;
    assert(hostId >= 0, 'the maps of a guest cover all its IDs');
    return hostId;
  }

  /** Kernel-memory offset of a place in the buffer, found as the unit finds it: through the host's table. */
  private locate({ guestId, gpa, host }: GuestBuffer, offset: number, access: number): number {
    const { kernel } = this.config;
    const page = Math.floor((gpa + offset) / PAGE_BYTES);
    const known = this.cached(page, guestId);
    const spaPage = kernel.exports.walkRaw(host.rule, host.levels, Number(host.root) / PAGE_BYTES, 0, page, access);
    assert(spaPage >= 0, "a guest's command buffer lies in its memory");
    if (!known) this.reads += kernel.exports.lastReads();
    return backing(kernel, spaPage) + ((gpa + offset) % PAGE_BYTES);
  }

  private cached(page: number, space: number): boolean {
    const { kernel, cache } = this.config;
    if (cache === 0) return false;
    this.lookups++;
    const hit = kernel.exports.cacheAccess(cache, page, space) === 1;
    if (hit) this.hits++;
    return hit;
  }
}

/** Kernel memory behind a page of table memory. */
function backing({ view }: Kernel, spaPage: number): number {
  const at = WINDOW_TABLE + 8 * Math.floor(spaPage / WINDOW_PAGES);
  return view.getUint32(at, true) + (spaPage % WINDOW_PAGES) * PAGE_BYTES;
}

function execute(port: CommandPort, command: Command, atPs: number, domain: number, bdf: number): number {
  const { kind, pasid, page, sizeLog2, walkCaches } = command;
  if (kind === WAIT) return port.completionWait(atPs);
  if (kind === DEVICE) return port.submitDevice(atPs, bdf);
  assert(kind === PAGES, 'guests send no other commands');
  if (sizeLog2 >= WHOLE_LOG2) return port.submitAll(atPs, domain, pasid);
  return port.submitPages(atPs, domain, pasid, page, sizeLog2, walkCaches);
}

/** The guest's side: its driver writes encoded commands with its own IDs, and rings the tail. */
export class GuestCommandBuffer implements CommandPort {
  private readonly kernel: Kernel;
  private readonly reader: CommandReader;
  private readonly buffer: GuestBuffer;
  private readonly command = new Command();
  /** When the reader had read the command that was last in each slot. */
  private readonly readPs: Float64Array;
  private tail = 0;

  constructor(kernel: Kernel, reader: CommandReader, buffer: GuestBuffer) {
    this.kernel = kernel;
    this.reader = reader;
    this.buffer = buffer;
    this.readPs = new Float64Array(buffer.entries);
  }

  submitPages(
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): number {
    const command = this.command.clear(PAGES);
    command.domain = domain;
    command.pasid = pasid;
    command.page = page;
    command.sizeLog2 = sizeLog2;
    command.walkCaches = walkCaches;
    return this.submit(nowPs);
  }

  submitAll(nowPs: number, domain: number, pasid: number): number {
    return this.submitPages(nowPs, domain, pasid, 0, WHOLE_LOG2, true);
  }

  submitDevice(nowPs: number, bdf: number): number {
    this.command.clear(DEVICE).device = bdf;
    return this.submit(nowPs);
  }

  completionWait(nowPs: number): number {
    const { gpa, entries } = this.buffer;
    this.command.clear(WAIT).address = gpa + entries * COMMAND_BYTES;
    this.submit(nowPs);
    return this.reader.doneAtPs;
  }

  /** Returns when there was a free slot: the one behind it must have been read, so that full and empty differ. */
  private submit(nowPs: number): number {
    const { base, entries } = this.buffer;
    const slot = this.tail;
    this.tail = (slot + 1) % entries;
    const atPs = Math.max(nowPs, this.readPs[this.tail]);
    amdCommands.encode(this.kernel.i32, (base + slot * COMMAND_BYTES) / 4, this.command);
    this.readPs[slot] = this.reader.take(this.buffer, slot, atPs);
    return atPs;
  }
}
