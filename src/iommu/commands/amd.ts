/**
 * AMD command buffer entries as 32-bit words (AMD 48882 section 2.4). The same bits as structures/amd-command.ts, which says
 * them as data: the tests hold one against the other. A command with a bit set that its layout does not know is illegal, as
 * QEMU's amd_iommu.c has it.
 */
import { assert } from '../../lib/assert.ts';
import { COMMANDS } from '../structures/amd-command.ts';
import {
  alignPage,
  type Command,
  type CommandEncoding,
  DEVICE,
  DEVICE_TLB,
  EVERYTHING,
  hasReserved,
  ILLEGAL,
  INTERRUPT,
  PAGES,
  PASID_CACHE,
  powerOfTwo,
  PPR_RESPONSE,
  PREFETCH,
  readPage,
  reservedBits,
  trailingOnes,
  WAIT,
  WHOLE_LOG2,
  writeAddress,
  writePage,
} from './command.ts';

/** Kind by opcode, and reserved bits by kind. */
const KINDS = Uint8Array.of(0, WAIT, DEVICE, PAGES, DEVICE_TLB, INTERRUPT, PREFETCH, PPR_RESPONSE, EVERYTHING);
const RESERVED: readonly Int32Array[] = [
  COMMANDS.INVALIDATE_IOMMU_ALL,
  COMMANDS.COMPLETION_WAIT,
  COMMANDS.INVALIDATE_DEVTAB_ENTRY,
  COMMANDS.INVALIDATE_IOMMU_PAGES,
  COMMANDS.INVALIDATE_IOTLB_PAGES,
  COMMANDS.INVALIDATE_INTERRUPT_TABLE,
  COMMANDS.PREFETCH_IOMMU_PAGES,
  COMMANDS.COMPLETE_PPR_REQUEST,
  COMMANDS.INVALIDATE_IOMMU_ALL,
].map(({ layout }) => reservedBits(layout));

const OPCODE_WAIT = 1 << 28;
const OPCODE_PAGES = 3 << 28;
const STORE = 1;
const SIZE = 1;
const PDE = 2;
const GN = 4;
/** An address whose only zero is bit 63: everything. */
const WHOLE_PAGE = 0x7ffffffffffff;
/** Larger ranges are coded as everything (build_inv_address). */
const MAX_RANGE_LOG2 = 52;

/** Address and S: ones below a zero say how large the range is. */
function writeRange(words: Int32Array, at: number, page: number, sizeLog2: number): void {
  if (sizeLog2 <= 12) return writePage(words, at, page);
  words[at] |= SIZE;
  if (sizeLog2 > MAX_RANGE_LOG2) return writePage(words, at, WHOLE_PAGE);
  writePage(words, at, alignPage(page, sizeLog2) + powerOfTwo(sizeLog2 - 13) - 1);
}

function readRange(words: Int32Array, at: number, command: Command): void {
  command.page = readPage(words, at);
  command.sizeLog2 = 12;
  if ((words[at] & SIZE) === 0) return;
  const low = trailingOnes(words[at] >> 12);
  const ones = low < 20 ? low : 20 + trailingOnes(words[at + 1]);
  command.sizeLog2 = ones >= 51 ? WHOLE_LOG2 : 13 + ones;
  command.page = ones >= 51 ? 0 : alignPage(command.page, command.sizeLog2);
}

function guest(pasid: number): number {
  return pasid < 0 ? 0 : GN;
}

/** What every strict unmap sends has functions of its own: small enough to be compiled into their callers. */
function encodePages(words: Int32Array, at: number, command: Command, sizeLog2: number): void {
  const { pasid } = command;
  words[at] = pasid < 0 ? 0 : pasid;
  words[at + 1] = command.domain | OPCODE_PAGES;
  words[at + 2] = (command.walkCaches ? PDE : 0) | guest(pasid);
  writeRange(words, at + 2, command.page, sizeLog2);
}

function encodeWait(words: Int32Array, at: number, command: Command): void {
  words[at] = command.address > 0 ? STORE : 0;
  words[at + 1] = OPCODE_WAIT;
  writeAddress(words, at, command.address);
  words[at + 2] = command.data | 0;
  words[at + 3] = 0;
}

function decodePages(words: Int32Array, at: number, command: Command): void {
  const flags = words[at + 2];
  command.domain = words[at + 1] & 0xffff;
  command.pasid = (flags & GN) !== 0 ? words[at] & 0xfffff : -1;
  command.walkCaches = (flags & PDE) !== 0;
  readRange(words, at + 2, command);
}

function decodeWait(words: Int32Array, at: number, command: Command): void {
  const w0 = words[at];
  command.address = (w0 & STORE) !== 0 ? (words[at + 1] & 0xfffff) * 4294967296 + ((w0 & ~7) >>> 0) : 0;
  command.data = words[at + 2] >>> 0;
}

function encodeOther(words: Int32Array, at: number, command: Command): void {
  const { kind, pasid, device } = command;
  const id = Math.max(0, pasid);
  words[at] = words[at + 1] = words[at + 2] = words[at + 3] = 0;
  switch (kind) {
    case PASID_CACHE: // Linux after a change of a GCR3 entry: all of the PASID's pages (__set_gcr3)
      return encodePages(words, at, command, WHOLE_LOG2);
    case DEVICE_TLB:
      // Linux sets QueueID to the device, too.
      words[at] = device | (((id >> 8) & 0xff) << 16) | (command.data << 24);
      words[at + 1] = device | ((id & 0xff) << 16) | ((id >> 16) << 24);
      words[at + 2] = guest(pasid);
      writeRange(words, at + 2, command.page, command.sizeLog2);
      break;
    case PREFETCH:
      words[at] = device | (command.data << 24);
      words[at + 1] = id;
      words[at + 2] = guest(pasid);
      writeRange(words, at + 2, command.page, command.sizeLog2);
      break;
    case PPR_RESPONSE:
      words[at] = device;
      words[at + 1] = id;
      words[at + 2] = guest(pasid);
      words[at + 3] = command.data | (command.status << 12);
      break;
    case DEVICE:
    case INTERRUPT:
      words[at] = device;
      break;
    default:
      assert(kind === EVERYTHING, 'AMD has a command of this kind');
  }
  words[at + 1] |= kind << 28; // kinds up to 8 have AMD's numbers
}

function decodeOther(words: Int32Array, at: number, kind: number, command: Command): void {
  const w0 = words[at];
  const w1 = words[at + 1];
  const hasPasid = (words[at + 2] & GN) !== 0;
  switch (kind) {
    case DEVICE_TLB:
      command.device = w0 & 0xffff;
      command.data = w0 >>> 24;
      command.pasid = hasPasid ? (((w1 >> 24) & 15) << 16) | (((w0 >> 16) & 0xff) << 8) | ((w1 >> 16) & 0xff) : -1;
      return readRange(words, at + 2, command);
    case PREFETCH:
      command.device = w0 & 0xffff;
      command.data = w0 >>> 24;
      command.pasid = hasPasid ? w1 & 0xfffff : -1;
      return readRange(words, at + 2, command);
    case PPR_RESPONSE:
      command.device = w0 & 0xffff;
      command.pasid = hasPasid ? w1 & 0xfffff : -1;
      command.data = words[at + 3] & 0x1ff;
      command.status = (words[at + 3] >> 12) & 15;
      return;
    case DEVICE:
    case INTERRUPT:
      command.device = w0 & 0xffff;
  }
}

export const amdCommands: CommandEncoding = {
  name: 'amd',
  reserved: { pages: RESERVED[PAGES], pasidPages: RESERVED[PAGES], wait: RESERVED[WAIT] },
  everything: [EVERYTHING],

  encode(words, at, command) {
    const { kind } = command;
    if (kind === PAGES) encodePages(words, at, command, command.sizeLog2);
    else if (kind === WAIT) encodeWait(words, at, command);
    else encodeOther(words, at, command);
  },

  kindOf(words, at) {
    const opcode = words[at + 1] >>> 28;
    const kind = opcode < KINDS.length ? KINDS[opcode] : ILLEGAL;
    return hasReserved(words, at, RESERVED[kind]) ? ILLEGAL : kind;
  },

  decode(words, at, kind, command) {
    command.kind = kind;
    if (kind === PAGES) decodePages(words, at, command);
    else if (kind === WAIT) decodeWait(words, at, command);
    else decodeOther(words, at, kind, command);
  },
};
