/** Structures as Linux encodes them, and walks of raw memory as QEMU's hardware models answer them. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compareRecords } from '../../../src/iommu/records/compare.ts';
import type { JsonObject } from '../../../src/iommu/records/fields.ts';
import { RecordHost } from '../../../src/iommu/records/host.ts';
import { runRecord } from '../../../src/iommu/records/record.ts';
import { STRUCT_KINDS } from '../../../src/iommu/records/struct-record.ts';
import { createKernel } from '../../support/kernel.ts';

const host = new RecordHost(createKernel(512 << 20));

function load(name: string): JsonObject[] {
  const text = gunzipSync(readFileSync(new URL(`../../vectors/${name}`, import.meta.url))).toString();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject);
}

function failures(records: readonly JsonObject[]): string[] {
  return records.flatMap((record) => {
    const differences = compareRecords(record, runRecord(host, record));
    return differences.length === 0 ? [] : [`${record.id as string}: ${differences.slice(0, 2).join('; ')}`];
  });
}

test('every structure record, every kind', () => {
  const records = load('structs.jsonl.gz');
  expect(failures(records)).toEqual([]);
  expect([...new Set(records.map((record) => record.kind as string))].sort()).toEqual([...STRUCT_KINDS].sort());
});

test.each(['amdv1-walk-qemu.jsonl.gz', 'vtd-walk-qemu.jsonl.gz'])('%s', (name) => {
  const records = load(name);
  expect(failures(records)).toEqual([]);
  expect(records.length).toBeGreaterThan(90);
});
