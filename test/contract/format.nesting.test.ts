/** Any first-stage format over any second-stage one of its architecture, against two slow walks one after the other. */
import { beforeEach, describe, expect, test } from 'vitest';
import { explainTrace, Tracer } from '../../src/iommu/explain.ts';
import { explainText } from '../../src/iommu/explain-text.ts';
import { walkPicture } from '../../src/iommu/walk-picture.ts';
import type { Format, FormatConfig, TableGeometry } from '../../src/iommu/formats/format.ts';
import { FORMATS, formatByName } from '../../src/iommu/formats/index.ts';
import { Arena, PageTable, TableRule } from '../../src/iommu/page-table.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import { NULL_UNIT, UNIT_MEMORY_PS, WINDOW_TABLE } from '../../src/kernel/layout.ts';
import { referenceWalk } from '../reference/page-table.ts';
import { createKernel } from '../support/kernel.ts';

const RW = 3;
const READ_PS = 90_000;
const HOST_TABLES = 5n << 30n; // SPA
const GUEST_TABLES_SPA = 6n << 30n;
const GUEST_TABLES = 1n << 30n; // GPA
const DATA = 2n << 30n; // GPA
const ARENA_BYTES = 8 << 20;

const kernel = createKernel(32 << 20);
const regions = new Regions(kernel.memory.buffer.byteLength);
const hostArena = Arena.take(kernel, regions, ARENA_BYTES, HOST_TABLES);
const guestArena = Arena.take(kernel, regions, ARENA_BYTES, GUEST_TABLES);
const tracer = new Tracer(kernel, regions);
const afterArenas = regions.next;

backWindow(HOST_TABLES, hostArena);
backWindow(GUEST_TABLES_SPA, guestArena);
kernel.view.setFloat64(NULL_UNIT + UNIT_MEMORY_PS, READ_PS, true);

function backWindow(spa: bigint, arena: Arena): void {
  const at = WINDOW_TABLE + 8 * Number(spa >> 30n);
  kernel.view.setUint32(at, arena.base, true);
  kernel.view.setUint32(at + 4, arena.bytes, true);
}

const page = (address: bigint): number => Number(address >> 12n);

function table(arena: Arena, geometry: TableGeometry): PageTable {
  return PageTable.create(kernel, regions, arena, new TableRule(kernel, regions, geometry));
}

interface Pair {
  readonly guest: PageTable;
  readonly host: PageTable;
}

/** Host maps the guest's table memory and a data window; leaves of the given sizes. */
function build(guestGeometry: TableGeometry, hostGeometry: TableGeometry, gva: bigint, dataPages: number): Pair {
  const host = table(hostArena, hostGeometry);
  expect(host.map(page(GUEST_TABLES), page(GUEST_TABLES_SPA), ARENA_BYTES / 4096, RW)).toBe(0);
  expect(host.map(page(DATA), page(DATA) + page(8n << 30n), dataPages, RW)).toBe(0);
  const guest = table(guestArena, guestGeometry);
  expect(guest.map(page(gva), page(DATA), dataPages, RW)).toBe(0);
  return { guest, host };
}

function walkNested({ guest, host }: Pair, gva: bigint): { page: number; reads: number } {
  const found = kernel.exports.walkNestedRaw(
    guest.rule.at,
    guest.levels,
    page(guest.rootAddress),
    host.rule.at,
    host.levels,
    page(host.rootAddress),
    page(gva),
  );
  return { page: found, reads: kernel.exports.lastReads() };
}

/** The same by two reference walks: every address that the guest's walk reads goes through the host's. */
function slowWalk({ guest, host }: Pair, gva: bigint): bigint {
  const hostWord = (spa: bigint) => kernel.view.getBigUint64(hostArena.offsetOf(spa), true);
  const toSpa = (gpa: bigint) => referenceWalk(host.rule.geometry, hostWord, host.rootAddress, host.levels, gpa)!.pa;
  const guestWord = (gpa: bigint) =>
    kernel.view.getBigUint64(guestArena.base + Number(toSpa(gpa) - GUEST_TABLES_SPA), true);
  const { pa } = referenceWalk(guest.rule.geometry, guestWord, guest.rootAddress, guest.levels, gva)!;
  return toSpa(pa);
}

/** Smallest leaves only: every walk reads all levels. */
const small = (format: Format, config: FormatConfig): TableGeometry => {
  const { granuleLog2 } = format.geometry(config);
  return format.geometry({ ...config, pageSizes: 1n << BigInt(granuleLog2) });
};

beforeEach(() => {
  hostArena.reset();
  guestArena.reset();
  regions.next = afterArenas;
});

const pairs = FORMATS.filter(({ stage }) => stage === 'first').flatMap((guest) =>
  FORMATS.filter((host) => host.stage === 'second' && host.architecture === guest.architecture).flatMap((host) =>
    guest.configurations.flatMap((guestConfig, g) =>
      host.configurations.map((hostConfig, h) => [guest.name, g, host.name, h, guestConfig, hostConfig] as const),
    ),
  ),
);

test('every architecture with two stages has pairs', () => {
  expect(new Set(pairs.map(([guest]) => guest))).toEqual(new Set(['amd-v2', 'vtd-fs', 'arm-s1', 'riscv']));
});

describe.each(pairs)('%s #%i over %s #%i', (guestName, _g, hostName, _h, guestConfig, hostConfig) => {
  test('translates as two walks do and reads (g+1)(h+1)-1 entries', () => {
    const guestGeometry = small(formatByName(guestName), guestConfig);
    const hostGeometry = small(formatByName(hostName), hostConfig);
    const gva = 0x5555_0000n;
    const pair = build(guestGeometry, hostGeometry, gva, 64);
    for (const offset of [0n, 0x10000n, 0x3f000n]) {
      const { page: found, reads } = walkNested(pair, gva + offset);
      expect(found).toBe(page(slowWalk(pair, gva + offset)));
      expect(found).toBe(page(DATA + offset) + page(8n << 30n));
      expect(reads).toBe((guestGeometry.levels + 1) * (hostGeometry.levels + 1) - 1);
    }
  });
});

test.each([
  [0x1000n, 0x1000n, 24],
  [0x201000n, 0x1000n, 19],
  [0x201000n, 0x201000n, 18],
  [0x40201000n, 0x201000n, 13],
  [0x40201000n, 0x40201000n, 12],
])('amd-v2 over amd-v1, leaves up to %#x and %#x: %i reads, each explained', (guestSizes, hostSizes, expected) => {
  const guestGeometry = formatByName('amd-v2').geometry({ linux: '7.2', levels: 4, pageSizes: guestSizes });
  const hostGeometry = formatByName('amd-v1').geometry({ linux: '7.2', levels: 4, pageSizes: hostSizes });
  const host = table(hostArena, hostGeometry);
  const guest = table(guestArena, guestGeometry);
  // The published counts have the guest's tables on 4 KiB host leaves and only its data on larger ones.
  expect(host.mapSize(page(GUEST_TABLES), page(GUEST_TABLES_SPA), 12, ARENA_BYTES / 4096, RW)).toBe(0);
  expect(host.map(page(DATA), page(DATA), hostSizes === 0x40201000n ? 1 << 18 : 1024, RW)).toBe(0);
  const gva = 3n << 30n;
  expect(guest.map(page(gva), page(DATA), guestSizes === 0x40201000n ? 1 << 18 : 1024, RW)).toBe(0);
  const pair = { guest, host };
  tracer.start();
  const { page: found, reads } = walkNested(pair, gva + 0x1000n);
  const steps = explainTrace(tracer.stop(), { guest: guestGeometry, host: hostGeometry });
  expect(found).toBe(page(DATA + 0x1000n));
  expect(reads).toBe(expected);
  expect(steps.filter(({ read }) => read > 0).length).toBe(expected);
  expect(steps.at(-1)!.sumNs).toBeCloseTo((expected * READ_PS) / 1000);
  const guestSteps = steps.filter(({ source }) => source === 'guest table');
  const last = guestSteps.at(-1)!;
  expect(last.meaning).toMatch(/^(4 KiB|2 MiB|1 GiB) leaf at 0x80\w+, read write$/);
  expect(last.fields).toMatchObject({ P: '1', 'R/W': '1', 'U/S': '1' });
  expect(guestSteps.map(({ level }) => level)).toEqual([3, 2, 1, 0].slice(0, guestSteps.length));
  const text = explainText(steps, steps.at(-1)!.sumNs);
  expect(text[0]).toMatch(/^ {2}1 {2}host table level 3 \[0\] at 0x1400\w+ +90\.0 ns$/);
  const picture = walkPicture(steps, { target: '0x80001000' });
  for (const line of [...text, ...picture]) expect(line.length, line).toBeLessThanOrEqual(80);
  const marks = picture.join('\n').match(/\[\d+\]/g);
  expect(marks).toEqual(Array.from({ length: expected }, (_, i) => `[${i + 1}]`));
  // A row for each guest level and one for the page, each through the host's levels.
  expect(picture.filter((line) => /^(guest level|page)/.test(line))).toHaveLength(guestSteps.length + 1);
});
