/** Replays every page-table vector: tables that Linux's own code built (test/vectors/FORMAT.md). */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compareRecords } from '../../../src/iommu/records/compare.ts';
import type { JsonObject } from '../../../src/iommu/records/fields.ts';
import { RecordHost } from '../../../src/iommu/records/host.ts';
import { runTableRecord } from '../../../src/iommu/records/table-record.ts';
import { createKernel } from '../../support/kernel.ts';

const folder = new URL('../../vectors/', import.meta.url);
const files = readdirSync(folder).filter((name) => /-linux\d\d\.(small|random)\.jsonl\.gz$/.test(name));

const host = new RecordHost(createKernel(512 << 20));

describe('tables as Linux builds them', () => {
  test('there are vectors of every format', () => expect(files.length).toBe(34));

  test.each(files)('%s', (name) => {
    const failures: string[] = [];
    let strict = 0;
    for (const line of gunzipSync(readFileSync(new URL(name, folder)))
      .toString()
      .trimEnd()
      .split('\n')) {
      const record = JSON.parse(line) as JsonObject;
      const differences = compareRecords(record, runTableRecord(host, record));
      if (record.class === 'strict') strict++;
      if (differences.length > 0) failures.push(`${record.id as string}: ${differences.slice(0, 3).join('; ')}`);
    }
    expect(failures).toEqual([]);
    expect(strict).toBeGreaterThan(15);
  });
});
