import { describe, expect, it } from 'vitest';
import { encodeCommand } from '../../../src/iommu/structures/amd-command.ts';
import { DEVICE_MAP, DOMAIN_MAP } from '../../../src/iommu/viommu/private-space.ts';
import { assisted, ENTRIES, GUEST_GPA, READ_PS } from './assisted.ts';

/** Reads of a command without any cache: the guest's page through 4 host levels, the slot, a map's page through 3, the entry. */
const PAGES_READS = 4 + 1 + 3 + 1;
/** A wait has no ID, but a semaphore, whose page is another 4 levels away. */
const WAIT_READS = 4 + 1 + 4;
const ns = (reads: number): number => (reads * READ_PS) / 1000;

describe("a guest's command", () => {
  it("reaches the unit with the host's IDs, after the reads that lead to them", () => {
    const { space, buffer, log, reader } = assisted();
    space.set(DOMAIN_MAP, 1, 3, 1003);
    space.set(DEVICE_MAP, 1, 16, 0x4108);
    const guest = buffer(1);
    expect(guest.submitPages(0, 3, 9, 0x1234, 12, true)).toBe(0);
    guest.submitDevice(0, 16);
    const donePs = guest.completionWait(0);
    const [first, second] = [ns(PAGES_READS), ns(2 * PAGES_READS)];
    const third = second + ns(WAIT_READS);
    expect(log).toEqual([`${first} pages 1003 9 1234 12 pde`, `${second} device 16648`, `${third} wait`]);
    expect(donePs).toBe(third * 1000 + 5000);
    expect(reader).toMatchObject({ commands: 3, reads: 2 * PAGES_READS + WAIT_READS, lookups: 0 });
  });

  it('takes ranges and whole domains over', () => {
    const { space, buffer, log } = assisted();
    space.set(DOMAIN_MAP, 1, 3, 1003);
    const guest = buffer(1);
    guest.submitPages(0, 3, 0, 0x1ff, 21, false);
    guest.submitAll(0, 3, 0);
    expect(log.map((line) => line.slice(line.indexOf(' ') + 1))).toEqual(['pages 1003 0 0 21', 'all 1003 0']);
  });

  it('lies in its buffer in the encoding of AMD, with the guest IDs', () => {
    const { kernel, buffer, guestBase } = assisted();
    buffer(1).submitPages(0, 3, 9, 0x1234, 12, true);
    const words = encodeCommand('INVALIDATE_IOMMU_PAGES', {
      ...{ DomainID: 3, PASID: 9, GN: true, PDE: true, S: false },
      address: 0x1234000n,
    });
    expect([0, 8].map((at) => kernel.view.getBigUint64(guestBase + at, true))).toEqual(words);
  });

  it('of two guests with the same IDs goes to the domain of each', () => {
    const { space, buffer, log } = assisted();
    space.set(DOMAIN_MAP, 1, 1, 1001);
    space.set(DOMAIN_MAP, 2, 1, 2001);
    buffer(1).submitAll(0, 1, 0);
    buffer(2).submitAll(0, 1, 0);
    expect(log.map((line) => line.split(' ')[2])).toEqual(['1001', '2001']);
  });

  it('waits for the reader, which takes one after the other', () => {
    const { buffer, log } = assisted();
    buffer(1).submitAll(0, 1, 0);
    buffer(2).submitAll(1000, 1, 0);
    buffer(2).submitAll(ns(PAGES_READS) * 10_000, 1, 0);
    expect(log.map((line) => Number(line.split(' ')[0]))).toEqual([1, 2, 11].map((n) => n * ns(PAGES_READS)));
  });

  it('costs fewer reads where translations are cached', () => {
    const { buffer, log, reader } = assisted(8);
    const guest = buffer(1);
    guest.submitAll(0, 1, 0);
    guest.submitAll(0, 2, 0); // the same pages of buffer and map
    expect(log.map((line) => Number(line.split(' ')[0]))).toEqual([ns(PAGES_READS), ns(PAGES_READS + 2)]);
    expect(reader).toMatchObject({ lookups: 4, hits: 2, reads: PAGES_READS + 2 });
    reader.resetCounts();
    expect(reader).toMatchObject({ commands: 0, reads: 0, lookups: 0, hits: 0 });
  });
});

describe("a guest's command buffer", () => {
  it('holds all but one of its slots, and makes the guest wait for the next', () => {
    const { buffer } = assisted();
    const guest = buffer(1);
    const free = Array.from({ length: ENTRIES + 1 }, () => guest.submitAll(0, 1, 0));
    const readPs = PAGES_READS * READ_PS;
    expect(free.slice(0, ENTRIES - 1)).toEqual(new Array(ENTRIES - 1).fill(0));
    expect(free.slice(ENTRIES - 1)).toEqual([readPs, 2 * readPs]);
  });

  it('lies where the guest says, found through the table of its memory', () => {
    expect(GUEST_GPA % 4096).toBe(0);
    const { kernel, buffer, guestBase } = assisted();
    buffer(2).submitAll(0, 1, 0);
    expect(kernel.view.getBigUint64(guestBase, true)).toBe(0n);
    expect(kernel.view.getBigUint64(guestBase + 8192, true)).not.toBe(0n);
  });
});
