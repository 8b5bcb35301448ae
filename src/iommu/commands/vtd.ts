/**
 * VT-d queued-invalidation descriptors of 128 bits as 32-bit words (VT-d specification 4.1, section 6.5.2). The same bits as
 * structures/vtd-invalidation.ts, which says them as data: the tests hold one against the other.
 *
 * The unit behind the queue keeps one device table and one PASID cache, so context-cache descriptors drop device-table entries.
 */
import { assert } from '../../lib/assert.ts';
import { DESCRIPTORS } from '../structures/vtd-invalidation.ts';
import {
  ALL_PAGES,
  alignPage,
  type Command,
  type CommandEncoding,
  CONTEXTS,
  DEVICE,
  DEVICE_TLB,
  hasReserved,
  ILLEGAL,
  INTERRUPT,
  PAGES,
  PASID_CACHE,
  powerOfTwo,
  PPR_RESPONSE,
  readPage,
  reservedBits,
  trailingOnes,
  WAIT,
  WHOLE_LOG2,
  writeAddress,
  writePage,
} from './command.ts';

const TYPE_CONTEXT = 1;
const TYPE_IOTLB = 2;
const TYPE_DEVICE_TLB = 3;
const TYPE_INTERRUPT = 4;
const TYPE_WAIT = 5;
const TYPE_PASID_IOTLB = 6;
const TYPE_PASID_CACHE = 7;
const TYPE_PASID_DEVICE_TLB = 8;
const TYPE_RESPONSE = 9;

const UNKNOWN = Int32Array.of(-1, -1, -1, -1);
/** By type. */
const RESERVED: readonly Int32Array[] = Array.from({ length: 16 }, (_, type) => {
  const known = Object.values(DESCRIPTORS).find((descriptor) => descriptor.type === type);
  return known === undefined ? UNKNOWN : reservedBits(known.layout);
});

/** Kinds of the types whose granularity does not matter. */
const KINDS = new Uint8Array(16).fill(ILLEGAL);
KINDS[TYPE_DEVICE_TLB] = KINDS[TYPE_PASID_DEVICE_TLB] = DEVICE_TLB;
KINDS[TYPE_INTERRUPT] = INTERRUPT;
KINDS[TYPE_WAIT] = WAIT;
KINDS[TYPE_RESPONSE] = PPR_RESPONSE;

/** Granularities of the IOTLB, the context cache and the PASID cache. */
const GLOBAL = 1;
const DOMAIN = 2;
const PAGE = 3;
const BY_DEVICE = 3;
const PASID_CACHE_DOMAIN = 0;
const PASID_CACHE_PASID = 1;
const PASID_CACHE_GLOBAL = 3;
const INVALIDATION_HINT = 1 << 6;
const STATUS_WRITE = 1 << 5;
const FENCE = 1 << 6;
const PASID_PRESENT = 1 << 4;
const DEVICE_SIZE = 1;
const PASID_DEVICE_SIZE = 1 << 11;

function granularityOf(words: Int32Array, at: number): number {
  return (words[at] >> 4) & 3;
}

function encodePages(words: Int32Array, at: number, command: Command): void {
  const { domain, pasid, sizeLog2 } = command;
  const all = sizeLog2 >= WHOLE_LOG2;
  const granularity = (all ? DOMAIN : PAGE) << 4;
  words[at] = (pasid < 0 ? TYPE_IOTLB : TYPE_PASID_IOTLB) | granularity | (domain << 16);
  words[at + 1] = Math.max(0, pasid);
  if (all) return;
  words[at + 2] = (sizeLog2 - 12) | (command.walkCaches ? 0 : INVALIDATION_HINT);
  writePage(words, at + 2, alignPage(command.page, sizeLog2));
}

/** Ones below the size bit, which is 0; S is set for more than one page. */
function writeDeviceRange(words: Int32Array, at: number, command: Command, sizeFlag: number): void {
  const { page, sizeLog2 } = command;
  if (sizeLog2 <= 12) return writePage(words, at, page);
  words[at] |= sizeFlag;
  const all = sizeLog2 >= WHOLE_LOG2;
  writePage(words, at, all ? 0x7ffffffffffff : alignPage(page, sizeLog2) + powerOfTwo(sizeLog2 - 13) - 1);
}

function encodeDeviceTlb(words: Int32Array, at: number, command: Command): void {
  const { device, pasid, data } = command;
  if (pasid < 0) {
    words[at] = TYPE_DEVICE_TLB | (data << 16);
    words[at + 1] = device;
    return writeDeviceRange(words, at + 2, command, DEVICE_SIZE);
  }
  words[at] = TYPE_PASID_DEVICE_TLB | (data << 4) | (device << 16);
  words[at + 1] = pasid;
  writeDeviceRange(words, at + 2, command, PASID_DEVICE_SIZE);
}

function encodePasidCache(words: Int32Array, at: number, command: Command): void {
  const { domain, pasid } = command;
  const granularity = domain < 0 ? PASID_CACHE_GLOBAL : pasid < 0 ? PASID_CACHE_DOMAIN : PASID_CACHE_PASID;
  words[at] = TYPE_PASID_CACHE | (granularity << 4) | (Math.max(0, domain) << 16);
  words[at + 1] = Math.max(0, pasid);
}

function decodePages(words: Int32Array, at: number, command: Command, hasPasid: boolean): void {
  command.domain = words[at] >>> 16;
  command.pasid = hasPasid ? words[at + 1] & 0xfffff : -1;
  if (granularityOf(words, at) !== PAGE) {
    command.sizeLog2 = WHOLE_LOG2;
    command.page = 0;
    command.walkCaches = true;
    return;
  }
  command.sizeLog2 = Math.min(WHOLE_LOG2, 12 + (words[at + 2] & 63));
  command.walkCaches = (words[at + 2] & INVALIDATION_HINT) === 0;
  command.page = alignPage(readPage(words, at + 2), Math.min(60, command.sizeLog2));
}

function decodeDeviceTlb(words: Int32Array, at: number, command: Command, hasPasid: boolean): void {
  command.device = hasPasid ? words[at] >>> 16 : words[at + 1] & 0xffff;
  command.data = hasPasid ? (words[at] >> 4) & 31 : (words[at] >> 16) & 31;
  command.pasid = hasPasid ? words[at + 1] & 0xfffff : -1;
  command.page = readPage(words, at + 2);
  command.sizeLog2 = 12;
  if ((words[at + 2] & (hasPasid ? PASID_DEVICE_SIZE : DEVICE_SIZE)) === 0) return;
  const low = trailingOnes(words[at + 2] >> 12);
  const ones = low < 20 ? low : 20 + trailingOnes(words[at + 3]);
  command.sizeLog2 = ones >= 51 ? WHOLE_LOG2 : 13 + ones;
  command.page = ones >= 51 ? 0 : alignPage(command.page, command.sizeLog2);
}

function decodePasidCache(words: Int32Array, at: number, command: Command): void {
  const granularity = granularityOf(words, at);
  command.domain = granularity === PASID_CACHE_GLOBAL ? -1 : words[at] >>> 16;
  command.pasid = granularity === PASID_CACHE_PASID ? words[at + 1] & 0xfffff : -1;
}

function decodeContext(words: Int32Array, at: number, command: Command): void {
  command.domain = granularityOf(words, at) === GLOBAL ? -1 : words[at] >>> 16;
  command.device = command.kind === DEVICE ? words[at + 1] & 0xffff : -1;
}

export const vtdCommands: CommandEncoding = {
  name: 'vtd',
  reserved: {
    pages: RESERVED[TYPE_IOTLB],
    pasidPages: RESERVED[TYPE_PASID_IOTLB],
    wait: RESERVED[TYPE_WAIT],
  },
  everything: [CONTEXTS, PASID_CACHE, ALL_PAGES],

  encode(words, at, command) {
    words[at] = words[at + 1] = words[at + 2] = words[at + 3] = 0;
    switch (command.kind) {
      case PAGES:
        return encodePages(words, at, command);
      case WAIT:
        words[at] = TYPE_WAIT | FENCE | (command.address > 0 ? STATUS_WRITE : 0);
        words[at + 1] = command.data | 0;
        return writeAddress(words, at + 2, command.address);
      case DEVICE:
        words[at] = TYPE_CONTEXT | (BY_DEVICE << 4) | (command.domain << 16);
        words[at + 1] = command.device;
        return;
      case CONTEXTS:
        words[at] = TYPE_CONTEXT | ((command.domain < 0 ? GLOBAL : DOMAIN) << 4) | (Math.max(0, command.domain) << 16);
        return;
      case ALL_PAGES:
        words[at] = TYPE_IOTLB | (GLOBAL << 4);
        return;
      case PASID_CACHE:
        return encodePasidCache(words, at, command);
      case DEVICE_TLB:
        return encodeDeviceTlb(words, at, command);
      case INTERRUPT:
        words[at] = TYPE_INTERRUPT; // global
        return;
      case PPR_RESPONSE:
        words[at] =
          TYPE_RESPONSE | (command.pasid < 0 ? 0 : PASID_PRESENT) | (command.status << 12) | (command.device << 16);
        words[at + 1] = Math.max(0, command.pasid);
        words[at + 2] = command.data << 3;
        return;
      default:
        assert(false, 'VT-d has a descriptor of this kind');
    }
  },

  kindOf(words, at) {
    const type = words[at] & 15;
    const granularity = granularityOf(words, at);
    if (hasReserved(words, at, RESERVED[type])) return ILLEGAL;
    switch (type) {
      case TYPE_IOTLB:
        return granularity === 0 ? ILLEGAL : granularity === GLOBAL ? ALL_PAGES : PAGES;
      case TYPE_PASID_IOTLB:
        return granularity === DOMAIN || granularity === PAGE ? PAGES : ILLEGAL;
      case TYPE_CONTEXT:
        return granularity === 0 ? ILLEGAL : granularity === BY_DEVICE ? DEVICE : CONTEXTS;
      case TYPE_PASID_CACHE:
        return granularity === 2 ? ILLEGAL : PASID_CACHE;
      default:
        return KINDS[type];
    }
  },

  decode(words, at, kind, command) {
    const type = words[at] & 15;
    command.kind = kind;
    switch (type) {
      case TYPE_IOTLB:
      case TYPE_PASID_IOTLB:
        return decodePages(words, at, command, type === TYPE_PASID_IOTLB);
      case TYPE_WAIT:
        command.data = words[at + 1] >>> 0;
        command.address =
          (words[at] & STATUS_WRITE) !== 0 ? (words[at + 3] >>> 0) * 4294967296 + ((words[at + 2] & ~3) >>> 0) : 0;
        return;
      case TYPE_CONTEXT:
        return decodeContext(words, at, command);
      case TYPE_PASID_CACHE:
        return decodePasidCache(words, at, command);
      case TYPE_DEVICE_TLB:
      case TYPE_PASID_DEVICE_TLB:
        return decodeDeviceTlb(words, at, command, type === TYPE_PASID_DEVICE_TLB);
      case TYPE_RESPONSE:
        command.device = words[at] >>> 16;
        command.pasid = (words[at] & PASID_PRESENT) === 0 ? -1 : words[at + 1] & 0xfffff;
        command.status = (words[at] >> 12) & 15;
        command.data = (words[at + 2] >> 3) & 0x1ff;
    }
  },
};
