/** The fast encoders and decoders of commands against the records of structures/, which say the same bits as data. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amdCommands } from '../../../src/iommu/commands/amd.ts';
import * as K from '../../../src/iommu/commands/command.ts';
import { vtdCommands } from '../../../src/iommu/commands/vtd.ts';
import {
  COMMANDS,
  type CommandName,
  decodeCommand,
  encodeCommand,
  invalidationRange,
  invalidationSizeLog2,
} from '../../../src/iommu/structures/amd-command.ts';
import {
  decodeDescriptor,
  type DescriptorName,
  deviceTlbRange,
  DESCRIPTORS,
  encodeDescriptor,
} from '../../../src/iommu/structures/vtd-invalidation.ts';
import type { FieldValue, WordLayout } from '../../../src/iommu/structures/words.ts';

type Fields = Readonly<Record<string, FieldValue>>;

const commandArbitrary = fc.record({
  kind: fc.integer({ min: K.WAIT, max: K.COMMAND_KINDS - 1 }),
  domain: fc.nat(0xffff),
  pasid: fc.oneof(fc.constant(-1), fc.nat(0xfffff)),
  device: fc.nat(0xffff),
  page: fc.oneof(
    fc.nat(),
    fc.maxSafeNat().map((n) => n % 2 ** 51),
  ),
  sizeLog2: fc.oneof(fc.integer({ min: 12, max: 52 }), fc.constant(K.WHOLE_LOG2)),
  walkCaches: fc.boolean(),
  data: fc.nat(31),
  status: fc.constantFrom(0, 1, 15),
  address: fc.oneof(
    fc.constant(0),
    fc.maxSafeNat().map((n) => 8 * (n % 2 ** 48) + 8),
  ),
});
type Fill = Partial<Omit<K.Command, 'clear'>> & { kind: number };

function command(fill: Fill): K.Command {
  return Object.assign(new K.Command(), fill);
}

function wordsOf(encoding: K.CommandEncoding, fill: Fill): bigint[] {
  const words = new Int32Array(12).fill(-1);
  encoding.encode(words, 4, command(fill));
  expect([...words.subarray(0, 4), ...words.subarray(8)]).toEqual(new Array(8).fill(-1));
  const [a, b, c, d] = [...words.subarray(4, 8)].map((word) => BigInt.asUintN(32, BigInt(word)));
  return [a | (b << 32n), c | (d << 32n)];
}

function decoded(encoding: K.CommandEncoding, record: readonly bigint[]): K.Command {
  const words = Int32Array.from(
    record.slice(0, 2).flatMap((word) => [word, word >> 32n].map((half) => Number(BigInt.asIntN(32, half)))),
  );
  const into = new K.Command();
  encoding.decode(words, 0, encoding.kindOf(words, 0), into);
  return into;
}

/** First and last byte of the aligned block around a page. */
function block(page: number, sizeLog2: number): readonly [first: bigint, last: bigint] {
  const size = 1n << BigInt(sizeLog2);
  const first = ((BigInt(page) << 12n) / size) * size;
  return [first, first + size - 1n];
}

function amdRange(page: number, sizeLog2: number): { address: bigint; S: boolean } {
  return sizeLog2 === K.WHOLE_LOG2
    ? invalidationRange(0n, (1n << 63n) - 1n)
    : invalidationRange(...block(page, sizeLog2));
}

const guest = (pasid: number): Fields => ({ GN: pasid >= 0, PASID: Math.max(0, pasid) });

/** What the specification's records say of a command; null where AMD has none. */
function amdRecord(c: Fill & K.Command): bigint[] | null {
  const { pasid, device, page, sizeLog2, data, status } = c;
  const range = amdRange(page, sizeLog2);
  const PAGES = (size: number): Fields => {
    const { address, S } = amdRange(page, size);
    return { ...guest(pasid), DomainID: c.domain, PDE: c.walkCaches, S, address };
  };
  switch (c.kind) {
    case K.WAIT:
      return encodeCommand('COMPLETION_WAIT', { S: c.address > 0, store: BigInt(c.address), data });
    case K.DEVICE:
      return encodeCommand('INVALIDATE_DEVTAB_ENTRY', { DeviceID: device });
    case K.PAGES:
      return encodeCommand('INVALIDATE_IOMMU_PAGES', PAGES(sizeLog2));
    case K.PASID_CACHE:
      return encodeCommand('INVALIDATE_IOMMU_PAGES', PAGES(K.WHOLE_LOG2));
    case K.DEVICE_TLB: {
      const fields = { ...guest(pasid), DeviceID: device, QueueID: device, MaxPend: data };
      return encodeCommand('INVALIDATE_IOTLB_PAGES', { ...fields, S: range.S, address: range.address });
    }
    case K.INTERRUPT:
      return encodeCommand('INVALIDATE_INTERRUPT_TABLE', { DeviceID: device });
    case K.PREFETCH: {
      const fields = { ...guest(pasid), DeviceID: device, PFCount: data };
      return encodeCommand('PREFETCH_IOMMU_PAGES', { ...fields, S: range.S, address: range.address });
    }
    case K.PPR_RESPONSE:
      return encodeCommand('COMPLETE_PPR_REQUEST', { ...guest(pasid), DeviceID: device, tag: data, status });
    case K.EVERYTHING:
      return encodeCommand('INVALIDATE_IOMMU_ALL', {});
    default:
      return null;
  }
}

function vtdRecord(c: Fill & K.Command): bigint[] | null {
  const { pasid, device, page, sizeLog2, data, status, domain } = c;
  const whole = sizeLog2 === K.WHOLE_LOG2;
  const PASID = Math.max(0, pasid);
  switch (c.kind) {
    case K.WAIT:
      return encodeDescriptor('WAIT', { SW: c.address > 0, FN: 1, data, address: BigInt(c.address) });
    case K.DEVICE:
      return encodeDescriptor('CONTEXT', { G: 3, DID: domain, SID: device });
    case K.CONTEXTS:
      return encodeDescriptor('CONTEXT', domain < 0 ? { G: 1 } : { G: 2, DID: domain });
    case K.ALL_PAGES:
      return encodeDescriptor('IOTLB', { G: 1 });
    case K.PAGES: {
      const [address] = whole ? [0n] : block(page, sizeLog2);
      const range = whole ? { G: 2 } : { G: 3, AM: sizeLog2 - 12, IH: !c.walkCaches, address };
      if (pasid < 0) return encodeDescriptor('IOTLB', { ...range, DID: domain });
      return encodeDescriptor('PASID_IOTLB', { ...range, DID: domain, PASID });
    }
    case K.PASID_CACHE:
      return encodeDescriptor('PASID_CACHE', { G: pasid < 0 ? 0 : 1, DID: domain, PASID });
    case K.DEVICE_TLB: {
      const range = whole
        ? { address: ((1n << 63n) - 1n) & ~0xfffn, S: true }
        : deviceTlbRange(block(page, sizeLog2)[0], sizeLog2 - 12);
      if (pasid < 0) return encodeDescriptor('DEVICE_TLB', { ...range, SID: device, QDEP: data });
      return encodeDescriptor('PASID_DEVICE_TLB', { ...range, SID: device, QDEP: data, PASID });
    }
    case K.INTERRUPT:
      return encodeDescriptor('INTERRUPT_ENTRY', {});
    case K.PPR_RESPONSE:
      return encodeDescriptor('PAGE_GROUP_RESPONSE', { PP: pasid >= 0, RC: status, RID: device, PASID, PRGI: data });
    default:
      return null;
  }
}

/** Fields that come back from the bytes, by kind. */
const KEPT: Readonly<Record<number, readonly (keyof K.Command)[]>> = {
  [K.WAIT]: ['address', 'data'],
  [K.DEVICE]: ['device'],
  [K.PAGES]: ['domain', 'pasid', 'sizeLog2', 'walkCaches'],
  [K.DEVICE_TLB]: ['device', 'pasid', 'sizeLog2', 'data'],
  [K.PREFETCH]: ['device', 'pasid', 'sizeLog2', 'data'],
  [K.PPR_RESPONSE]: ['device', 'pasid', 'data', 'status'],
  [K.PASID_CACHE]: ['domain', 'pasid'],
};
const RANGED = [K.PAGES, K.DEVICE_TLB, K.PREFETCH];

/** A unit of pages keeps the hint only where the descriptor has it. */
function expectSame(back: K.Command, fill: Fill & K.Command, isVtd: boolean): void {
  expect(back.kind).toBe(fill.kind);
  const whole = fill.sizeLog2 === K.WHOLE_LOG2;
  for (const key of KEPT[fill.kind] ?? []) {
    if (key === 'walkCaches' && isVtd && whole) expect(back.walkCaches).toBe(true);
    else expect(back[key], key).toBe(fill[key]);
  }
  if (RANGED.includes(fill.kind) && !whole) expect(back.page).toBe(Number(block(fill.page, fill.sizeLog2)[0] >> 12n));
}

describe.each([
  ['amd', amdCommands, amdRecord],
  ['vtd', vtdCommands, vtdRecord],
] as const)('%s commands', (name, encoding, recordOf) => {
  it('have the bits that the records say, and come back from them', () => {
    const kinds = new Set<number>();
    fc.assert(
      fc.property(commandArbitrary, (fill) => {
        const record = recordOf(command(fill));
        if (record === null) {
          expect(() => wordsOf(encoding, fill)).toThrow();
          return;
        }
        expect(wordsOf(encoding, fill)).toEqual(record.slice(0, 2));
        kinds.add(fill.kind);
        if (name === 'amd' && fill.kind === K.PASID_CACHE) return;
        expectSame(decoded(encoding, record), command(fill), name === 'vtd');
      }),
      { numRuns: 600 },
    );
    expect(kinds.size).toBeGreaterThan(8);
  });

  it('are illegal with any reserved bit', () => {
    const layouts = Object.entries(name === 'amd' ? COMMANDS : DESCRIPTORS);
    for (const [key, { layout }] of layouts) {
      const used = [0n, 0n];
      for (const parts of Object.values(layout as WordLayout)) {
        for (const [word, high, low] of parts) {
          for (let bit = low; bit <= high; bit++) used[word] |= 1n << BigInt(bit);
        }
      }
      const G = { IOTLB: 3, PASID_IOTLB: 3, CONTEXT: 3, PASID_CACHE: 3 }[key];
      const fields = G === undefined ? {} : { G };
      const record =
        name === 'amd' ? encodeCommand(key as CommandName, {}) : encodeDescriptor(key as DescriptorName, fields);
      expect(decoded(encoding, record).kind, key).not.toBe(K.ILLEGAL);
      for (let bit = 0; bit < 128; bit++) {
        if ((used[bit >> 6] >> BigInt(bit & 63)) & 1n) continue;
        const spoilt = [...record];
        spoilt[bit >> 6] |= 1n << BigInt(bit & 63);
        expect(decoded(encoding, spoilt).kind, `${key} with bit ${bit}`).toBe(K.ILLEGAL);
      }
    }
  });

  it('of unknown types are illegal', () => {
    for (let type = 0; type < 16; type++) {
      const record = name === 'amd' ? [BigInt(type) << 60n, 0n] : [BigInt(type) | (3n << 4n), 0n];
      const known = name === 'amd' ? decodeCommand(record) : decodeDescriptor([...record, 0n, 0n]);
      if (known === null) expect(decoded(encoding, record).kind).toBe(K.ILLEGAL);
    }
  });
});

describe('VT-d granularities', () => {
  it.each([
    ['IOTLB', { G: 0 }, K.ILLEGAL],
    ['IOTLB', { G: 1 }, K.ALL_PAGES],
    ['PASID_IOTLB', { G: 0 }, K.ILLEGAL],
    ['PASID_IOTLB', { G: 1 }, K.ILLEGAL],
    ['CONTEXT', { G: 0 }, K.ILLEGAL],
    ['CONTEXT', { G: 1 }, K.CONTEXTS],
    ['PASID_CACHE', { G: 2 }, K.ILLEGAL],
    ['PASID_CACHE', { G: 3 }, K.PASID_CACHE],
  ] as const)('%s %o', (descriptor, fields, kind) => {
    expect(decoded(vtdCommands, encodeDescriptor(descriptor, fields)).kind).toBe(kind);
  });
});

describe('an AMD range', () => {
  it('is read as the specification has it, whatever low bits it carries', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }), fc.boolean(), (page, S) => {
        const address = page << 12n;
        const record = encodeCommand('INVALIDATE_IOMMU_PAGES', { DomainID: 1, S, address });
        expect(decoded(amdCommands, record).sizeLog2).toBe(invalidationSizeLog2(address, S));
      }),
    );
  });
});
