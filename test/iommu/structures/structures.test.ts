/** Encoders and decoders of hardware records: round trips of every field, bits known from the specifications, real logs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COMMAND_BYTES,
  COMMANDS,
  type CommandName,
  decodeCommand,
  encodeCommand,
  invalidationRange,
  invalidationSizeLog2,
} from '../../../src/iommu/structures/amd-command.ts';
import { decodeDte, DTE_LAYOUT, DTE_RESERVED, encodeDte } from '../../../src/iommu/structures/amd-device-table.ts';
import { gcr3Index, gcr3MaxPasid } from '../../../src/iommu/structures/amd-gcr3.ts';
import {
  decodeEvent,
  decodePpr,
  encodeEvent,
  encodePpr,
  EVENT_CODES,
  EVENT_LAYOUT,
  type EventName,
  LOG_RECORD_BYTES,
  PPR_FLAGS,
  PPR_LAYOUT,
  PPR_TYPE_PAGE_SERVICE,
} from '../../../src/iommu/structures/amd-log.ts';
import {
  DART_T8020,
  DART_T8110,
  decodeRegister,
  encodeRegister,
} from '../../../src/iommu/structures/dart-registers.ts';
import { CONTEXT_LAYOUT, ROOT_LAYOUT, SCALABLE_CONTEXT_LAYOUT } from '../../../src/iommu/structures/vtd-context.ts';
import {
  decodeFault,
  decodePageRequest,
  encodeFault,
  encodePageRequest,
  FAULT_LAYOUT,
  PAGE_REQUEST_LAYOUT,
  REASON_CONTEXT_NOT_PRESENT,
  REASON_ROOT_NOT_PRESENT,
} from '../../../src/iommu/structures/vtd-fault.ts';
import {
  decodeDescriptor,
  type DescriptorName,
  DESCRIPTORS,
  encodeDescriptor,
} from '../../../src/iommu/structures/vtd-invalidation.ts';
import {
  directoryIndex,
  PASID_DIRECTORY_LAYOUT,
  PASID_LAYOUT,
  PGTT_NESTED,
  tableIndex,
} from '../../../src/iommu/structures/vtd-pasid.ts';
import { decodeWords, encodeWords, type WordLayout, zeroWords } from '../../../src/iommu/structures/words.ts';

/** Bits of the value that a field holds. */
function fieldMask(layout: WordLayout, name: string): bigint {
  return layout[name].reduce(
    (mask, [, high, low, from = 0]) => mask | (((1n << BigInt(high - low + 1)) - 1n) << BigInt(from)),
    0n,
  );
}

/** Any values that fit the fields. */
function fieldsOf(layout: WordLayout, fixed: readonly string[] = []): fc.Arbitrary<Record<string, bigint>> {
  const names = Object.keys(layout).filter((name) => !fixed.includes(name));
  return fc.record(
    Object.fromEntries(
      names.map((name) => [name, fc.bigInt(0n, (1n << 64n) - 1n).map((value) => value & fieldMask(layout, name))]),
    ),
  );
}

const LAYOUTS: Readonly<Record<string, readonly [layout: WordLayout, words: number]>> = {
  'device-table entry': [DTE_LAYOUT, 4],
  'event record': [EVENT_LAYOUT, 2],
  'PPR record': [PPR_LAYOUT, 2],
  'root entry': [ROOT_LAYOUT, 2],
  'context entry': [CONTEXT_LAYOUT, 2],
  'scalable context entry': [SCALABLE_CONTEXT_LAYOUT, 4],
  'PASID directory entry': [PASID_DIRECTORY_LAYOUT, 1],
  'PASID entry': [PASID_LAYOUT, 8],
  'fault record': [FAULT_LAYOUT, 2],
  'page request': [PAGE_REQUEST_LAYOUT, 2],
  ...Object.fromEntries(Object.entries(COMMANDS).map(([name, { layout }]) => [name, [layout, 2]])),
  ...Object.fromEntries(Object.entries(DESCRIPTORS).map(([name, { layout }]) => [name, [layout, 4]])),
};

describe.each(Object.entries(LAYOUTS))('%s', (_, [layout, words]) => {
  it('gives back every value that it takes', () => {
    fc.assert(
      fc.property(fieldsOf(layout), (fields) => {
        expect(decodeWords(layout, encodeWords(layout, zeroWords(words), fields))).toEqual(fields);
      }),
      { numRuns: 50 },
    );
  });

  it('has fields that share no bits', () => {
    const taken = zeroWords(words);
    for (const name of Object.keys(layout)) {
      for (const [word, high, low] of layout[name]) {
        const mask = ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
        expect(taken[word] & mask, name).toBe(0n);
        taken[word] |= mask;
      }
    }
  });

  it('refuses what does not fit', () => {
    for (const name of Object.keys(layout)) {
      const mask = fieldMask(layout, name);
      if (mask !== (1n << 64n) - 1n)
        expect(() => encodeWords(layout, zeroWords(words), { [name]: ~mask & ((1n << 64n) - 1n) })).toThrow(name);
    }
  });
});

describe('AMD commands', () => {
  it.each(Object.keys(COMMANDS) as CommandName[])('%s comes back under its name', (name) => {
    const words = encodeCommand(name, {});
    expect(words).toHaveLength((COMMAND_BYTES * 8) / 64);
    expect(decodeCommand(words)?.name).toBe(name);
  });

  it('of an unknown opcode are none', () => expect(decodeCommand([0xfn << 60n, 0n])).toBeNull());

  it('cover a range that holds first and last byte, and is the smallest such block', () => {
    const address = fc.bigInt(0n, (1n << 52n) - 1n);
    fc.assert(
      fc.property(address, address, (a, b) => {
        const [first, last] = a < b ? [a, b] : [b, a];
        const range = invalidationRange(first, last);
        const log2 = BigInt(invalidationSizeLog2(range.address, range.S));
        expect(first >> log2).toBe(last >> log2);
        if (log2 > 12n) expect(first >> (log2 - 1n)).not.toBe(last >> (log2 - 1n));
      }),
    );
  });

  it('flush 2 MiB for two pages across a 1 MiB boundary (Linux 6.1 build_inv_address)', () => {
    const { address, S } = invalidationRange(0xff000n, 0x100fffn);
    expect(invalidationSizeLog2(address, S)).toBe(21);
  });
});

describe('AMD device-table entry', () => {
  it('has no field on a reserved bit', () => {
    for (const [name, parts] of Object.entries(DTE_LAYOUT)) {
      for (const [word, high, low] of parts as readonly (readonly [number, number, number, number?])[]) {
        const mask = ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
        expect(mask & DTE_RESERVED[word], name).toBe(0n);
      }
    }
  });

  it('splits the GCR3 pointer as the specification does', () => {
    const words = encodeDte({ gcr3: 0x86e2b70000n });
    expect(decodeDte(words).gcr3).toBe(0x86e2b70000n);
    expect([(words[0] >> 58n) & 7n, (words[1] >> 16n) & 0xffffn, words[1] >> 43n]).toEqual([
      (0x86e2b70000n >> 12n) & 7n,
      (0x86e2b70000n >> 15n) & 0xffffn,
      0x86e2b70000n >> 31n,
    ]);
  });

  it('indexes PASIDs by nine bits a level, up to 20 bits', () => {
    expect([0, 1, 2].map(gcr3MaxPasid)).toEqual([511, 262143, 1048575]);
    expect([0, 1, 2].map((level) => gcr3Index(0xabcde, level))).toEqual([0xde, 0x15e, 0x2]);
  });
});

describe('AMD logs', () => {
  it.each(Object.keys(EVENT_CODES) as EventName[])('%s comes back under its name', (name) => {
    const words = encodeEvent(name, { DeviceID: 0xc100, address: 0xfffff000n, RW: 1 });
    expect(words).toHaveLength((LOG_RECORD_BYTES * 8) / 64);
    const { name: back, fields } = decodeEvent(words);
    expect(back).toBe(name);
    expect([fields.DeviceID, fields.address, fields.RW]).toEqual([0xc100n, 0xfffff000n, 1n]);
  });

  it('have no name for a slot that is not written yet', () => expect(decodeEvent([0n, 0n]).name).toBeNull());

  it('read the flags that Linux prints: flags=0x0020 is a write', () => {
    // "AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000f address=0xdf80… flags=0x0020]": flags are bits 27:16 of the second dword.
    const words = encodeEvent('IO_PAGE_FAULT', { DomainOrPASID: 0xf, RW: 1 });
    expect((words[0] >> 48n) & 0xfffn).toBe(0x20n);
  });

  it('carry page requests with PASID and tag', () => {
    const flags = PPR_FLAGS.WRITE | PPR_FLAGS.GN | PPR_FLAGS.US;
    const words = encodePpr({ DeviceID: 1, PASID: 0xabcde, tag: 0x155, flags, type: PPR_TYPE_PAGE_SERVICE });
    expect(words[0]).toBe((1n << 60n) | (0x160n << 48n) | (0xan << 42n) | (0x155n << 32n) | (0xbcden << 16n) | 1n);
    expect(decodePpr(words).PASID).toBe(0xabcden);
  });
});

describe('VT-d records', () => {
  it.each(Object.keys(DESCRIPTORS) as DescriptorName[])('%s comes back under its name', (name) => {
    expect(decodeDescriptor(encodeDescriptor(name, {}))?.name).toBe(name);
  });

  it('of an unknown type are none', () => expect(decodeDescriptor([0xfn, 0n, 0n, 0n])).toBeNull());

  it('find a PASID by 14 and 6 bits', () => {
    expect([directoryIndex(0xabcde), tableIndex(0xabcde)]).toEqual([0xabcde >> 6, 0x1e]);
    expect(PGTT_NESTED).toBe(3);
  });

  it('place the fields of a fault as dmar.c reads them', () => {
    const words = encodeFault({ address: 0x1234000n, SID: 0x0310, reason: REASON_CONTEXT_NOT_PRESENT, T: 1, F: 1 });
    expect(words).toEqual([0x1234000n, (3n << 62n) | (2n << 32n) | 0x310n]);
    expect(decodeFault(words).reason).toBe(BigInt(REASON_CONTEXT_NOT_PRESENT));
    expect(REASON_ROOT_NOT_PRESENT).toBe(1);
  });

  it('carry page requests as svm.c reads them', () => {
    const words = encodePageRequest({ type: 1, PP: 1, RID: 0x5800, PASID: 7, W: 1, L: 1, PRGI: 5, address: 0xabc000n });
    expect(words).toEqual([(7n << 32n) | (0x5800n << 16n) | (1n << 8n) | 1n, 0xabc000n | (5n << 3n) | 6n]);
    expect(decodePageRequest(words).PRGI).toBe(5n);
  });
});

describe('DART registers', () => {
  it('hold a table base in the units of their generation', () => {
    expect(encodeRegister(DART_T8020.ttbr, { valid: 1, address: 0x8_0123_4000n })).toBe(0x80801234 >>> 0);
    expect(encodeRegister(DART_T8110.ttbr, { valid: 1, address: 0x100_0000_4000n })).toBe((0x4000001 << 2) | 1);
    expect(decodeRegister(DART_T8110.ttbr, 0x5).address).toBe(0x4000n);
  });

  it('lie where each stream has them', () => {
    expect([DART_T8020.tcrOffset(3), DART_T8020.ttbrOffset(3, 2)]).toEqual([0x10c, 0x238]);
    expect([DART_T8110.tcrOffset(3), DART_T8110.ttbrOffset(3)]).toEqual([0x100c, 0x140c]);
    expect(encodeRegister(DART_T8020.tcr, { translate: 1 })).toBe(0x80);
    expect(encodeRegister(DART_T8110.tcr, { translate: 1, fourLevels: 1 })).toBe(9);
  });
});
