/** Each fault's record as hardware writes it, and logs that overflow. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amdFaults, EventLog, type Fault, ILLEGAL_COMMAND, vtdFaults } from '../../src/iommu/event-log.ts';
import { amdPageRequests, type PageRequest, PprLog, vtdPageRequests } from '../../src/iommu/ppr-log.ts';
import { logIn, ownLog, RecordLog } from '../../src/iommu/record-log.ts';
import { decodeEvent } from '../../src/iommu/structures/amd-log.ts';
import { decodeFault } from '../../src/iommu/structures/vtd-fault.ts';
import * as L from '../../src/kernel/layout.ts';

const READ = 1;
const WRITE = 2;
const CODES = Object.entries(L)
  .filter(([name]) => name.startsWith('FAULT_') && name !== 'FAULT_NONE')
  .map(([, code]) => code);

const PLAIN: Fault = {
  timePs: 5,
  device: 3,
  bdf: 0x4108,
  domain: 77,
  pasid: -1,
  code: L.FAULT_NOT_PRESENT,
  access: READ,
  page: 0x12345,
};

/** Bits of word 0 that Linux prints as flags. */
const PR = 0x10;
const RW = 0x20;
const PE = 0x40;
const RZ = 0x80;
const GN = 0x1;

describe('AMD event log records', () => {
  const cases: readonly (readonly [string, Partial<Fault>, string, number])[] = [
    ['not present', {}, 'IO_PAGE_FAULT', 0],
    ['not present, by PASID', { pasid: 0x54321 }, 'IO_PAGE_FAULT', GN],
    ['no read permission', { code: L.FAULT_READ }, 'IO_PAGE_FAULT', PR | PE],
    ['no write permission', { code: L.FAULT_WRITE, access: WRITE }, 'IO_PAGE_FAULT', PR | PE | RW],
    ['blocked by IR or IW', { code: L.FAULT_BLOCKED, access: WRITE }, 'IO_PAGE_FAULT', PR | PE | RW],
    ['reserved bits', { code: L.FAULT_RESERVED }, 'IO_PAGE_FAULT', PR | RZ],
    ['level out of range', { code: L.FAULT_LEVEL }, 'IO_PAGE_FAULT', PR | RZ],
    ['address too wide', { code: L.FAULT_WIDTH }, 'IO_PAGE_FAULT', 0],
    ['unknown PASID', { code: L.FAULT_PASID, pasid: 9 }, 'IO_PAGE_FAULT', GN],
    ['invalid device entry', { code: L.FAULT_DTE }, 'ILLEGAL_DEV_TABLE_ENTRY', 0],
    ['a table outside memory', { code: L.FAULT_MEMORY }, 'PAGE_TAB_HARDWARE_ERROR', 0x200],
    ['ATS not allowed', { code: L.FAULT_ATS }, 'INVALID_DEVICE_REQUEST', 0x300],
  ];

  it.each(cases)('%s', (_, fields, event, flags) => {
    const fault = { ...PLAIN, ...fields };
    const record = amdFaults.encode(fault) as [bigint, bigint];
    expect(amdFaults.decode(record)).toMatchObject({ event, flags, bdf: 0x4108, address: 0x12345000n });
    const { fields: raw } = decodeEvent(record);
    expect(Number(raw.DeviceID)).toBe(0x4108);
    if (fault.pasid >= 0) expect(amdFaults.decode(record)).toMatchObject({ pasid: fault.pasid, domain: -1 });
    else if (event === 'IO_PAGE_FAULT') expect(amdFaults.decode(record)).toMatchObject({ pasid: -1, domain: 77 });
  });

  it('of an illegal command holds its physical address', () => {
    const record = amdFaults.encode({ ...PLAIN, bdf: 0, code: ILLEGAL_COMMAND, page: 0x7_0000_0010 });
    const { name, fields } = decodeEvent(record);
    expect([name, fields.address, fields.DeviceID]).toEqual(['ILLEGAL_COMMAND_ERROR', 0x7_0000_0010n, 0n]);
  });
});

describe('VT-d fault records', () => {
  it.each([
    ['second stage, read', {}, 6, 'DMA_READ'],
    ['second stage, write', { access: WRITE }, 5, 'DMA_WRITE'],
    ['first stage', { pasid: 4 }, 0x71, 'DMA_READ'],
    ['first stage, no write permission', { pasid: 4, code: L.FAULT_WRITE, access: WRITE }, 0x85, 'DMA_WRITE'],
    ['reserved bits', { code: L.FAULT_RESERVED }, 12, 'DMA_READ'],
    ['address too wide', { code: L.FAULT_WIDTH }, 4, 'DMA_READ'],
    ['invalid context entry', { code: L.FAULT_DTE }, 3, 'DMA_READ'],
    ['unknown PASID', { code: L.FAULT_PASID, pasid: 4 }, 0x59, 'DMA_READ'],
    ['ATS not allowed', { code: L.FAULT_ATS }, 13, 'DMA_READ'],
  ] as const)('%s', (_, fields, flags, event) => {
    const record = vtdFaults.encode({ ...PLAIN, ...fields }) as [bigint, bigint];
    expect(vtdFaults.decode(record)).toMatchObject({ event, flags, bdf: 0x4108, address: 0x12345000n });
    expect(decodeFault(record).F).toBe(1n);
  });
});

describe.each([
  ['AMD', amdFaults],
  ['VT-d', vtdFaults],
] as const)('an event log of %s', (_, encoding) => {
  it('has a record for every fault, and gives back what went in', () => {
    const fault = fc.record({
      timePs: fc.nat(),
      device: fc.nat(4095),
      bdf: fc.nat(0xffff),
      domain: fc.nat(0xffff),
      pasid: fc.oneof(fc.constant(-1), fc.nat(0xfffff)),
      code: fc.constantFrom(...CODES),
      access: fc.constantFrom(1, 2, 3),
      page: fc.maxSafeNat().map((n) => n % 2 ** 52),
    });
    fc.assert(
      fc.property(fc.array(fault, { minLength: 1, maxLength: 20 }), (faults) => {
        const log = new EventLog(ownLog(32), encoding);
        for (const each of faults) log.append(each);
        const expected = faults.map(({ bdf: _bdf, ...rest }) => rest);
        expect(log.read()).toMatchObject(expected);
        expect(log.read()).toEqual([]);
      }),
    );
  });

  it('keeps the oldest records when it is full, and takes new ones after a restart', () => {
    const log = new EventLog(ownLog(4), encoding);
    for (let page = 0; page < 7; page++) log.append({ ...PLAIN, page });
    expect([log.log.overflow, log.log.running, log.log.lost]).toEqual([true, false, 3]);
    expect(log.read().map(({ page }) => page)).toEqual([0, 1, 2, 3]);
    log.append({ ...PLAIN, page: 9 });
    expect([log.log.overflow, log.read().map(({ page }) => page)]).toEqual([false, [9]]);
  });
});

describe('a log of records', () => {
  it('lies where it is told, as bytes, and goes round', () => {
    const words = new Int32Array(20);
    const log = new RecordLog(logIn(words, 4, 3));
    for (let i = 0n; i < 3n; i++) log.append([i + 0x1_0000_0000n, ~i & 0xffff_ffff_ffff_ffffn]);
    expect([...words.subarray(4, 8)]).toEqual([0, 1, -1, -1]);
    expect([log.head, log.tail, log.waiting]).toEqual([0, 0, 3]);
    expect(log.read()).toEqual([0x1_0000_0000n, 0xffff_ffff_ffff_ffffn]);
    log.append([7n, 8n]);
    expect([...words.subarray(0, 8), ...words.subarray(16)]).toEqual([0, 0, 0, 0, 7, 0, 8, 0, 0, 0, 0, 0]);
    expect([log.read()![0] & 15n, log.read()![0] & 15n, log.read(), log.read()]).toEqual([1n, 2n, [7n, 8n], undefined]);
  });

  it('loses what comes after an overflow, even if there is room again, until it is restarted', () => {
    const log = new RecordLog(ownLog(1));
    expect([log.append([1n, 0n]), log.append([2n, 0n])]).toEqual([true, false]);
    log.read();
    expect([log.append([3n, 0n]), log.lost]).toEqual([false, 2]);
    log.restart();
    expect([log.append([4n, 0n]), log.read()]).toEqual([true, [4n, 0n]]);
  });
});

describe.each([
  ['AMD', amdPageRequests],
  ['VT-d', vtdPageRequests],
] as const)('a page request log of %s', (name, encoding) => {
  it('gives back what went in', () => {
    const request = fc.record({
      bdf: fc.nat(0xffff),
      pasid: fc.oneof(fc.constant(-1), fc.nat(0xfffff)),
      group: fc.nat(511),
      page: fc.maxSafeNat().map((n) => n % 2 ** 52),
      access: fc.constantFrom(1, 2, 3),
      last: name === 'AMD' ? fc.constant(true) : fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 20 }), (requests: readonly PageRequest[]) => {
        const log = new PprLog(ownLog(32), encoding);
        for (const each of requests) expect(log.append(each)).toBe(true);
        expect(log.read()).toEqual(requests);
      }),
    );
  });

  it('refuses requests while it is full, and takes them again once it was read', () => {
    const log = new PprLog(ownLog(2), encoding);
    const request = { bdf: 1, pasid: -1, group: 0, page: 5, access: 1, last: true };
    expect([1, 2, 3].map(() => log.append(request))).toEqual([true, true, false]);
    expect([log.read().length, log.append(request), log.log.lost]).toEqual([2, true, 1]);
  });
});
