import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { iommuEvent } from '../../../src/report/perf/names.ts';
import { parsePerfStat, type PerfStat } from '../../../src/report/perf/stat.ts';

const sample = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`samples/${name}`, import.meta.url)), 'utf8');
const read = (name: string, isScaled = true): PerfStat => parsePerfStat(sample(name), { isScaled });
const counts = ({ events }: PerfStat): Record<string, number | string> =>
  Object.fromEntries(events.map(({ name, count, status }) => [name, count ?? status]));

describe('output of perf stat', () => {
  it.each([
    ['text.txt', 'text', { 'task-clock': 1.06, 'context-switches': 1, 'page-faults': 74, cycles: 'not supported' }],
    ['comma.csv', 'csv', { 'task-clock': 1.07, 'context-switches': 1, 'page-faults': 76, cycles: 'not supported' }],
    ['semicolon.csv', 'csv', { 'task-clock': 1.28, 'context-switches': 1, 'page-faults': 75, cycles: 'not supported' }],
    [
      'lines.json.txt',
      'json',
      { 'task-clock': 0.952396, 'context-switches': 1, 'page-faults': 75, cycles: 'not supported' },
    ],
    [
      'per-socket.txt',
      'text',
      { 'task-clock': 117.58, 'context-switches': 126, 'page-faults': 678, cycles: 'not supported' },
    ],
    [
      'per-socket.csv',
      'csv',
      { 'task-clock': 105.46, 'context-switches': 96, 'page-faults': 1166, cycles: 'not supported' },
    ],
    ['per-cpu.csv', 'csv', { 'task-clock': 55.71 + 55.72, cycles: 'not supported' }],
    ['repeat.txt', 'text', { 'task-clock': 1.3, 'page-faults': 74 }],
    ['repeat.json.txt', 'json', { 'task-clock': 1.552774, 'page-faults': 75 }],
    ['per-cpu.txt', 'text', { 'task-clock': 21.69 + 23.21, 'page-faults': 80 }],
    ['per-cpu.json.txt', 'json', { 'task-clock': 22.450189 + 22.426945, 'page-faults': 81 }],
    ['per-core.txt', 'text', { 'task-clock': 23.33 + 23.36, 'page-faults': 82 }],
    ['per-core.csv', 'csv', { 'task-clock': 22.38 + 22.4, 'page-faults': 82 }],
    ['per-core.json.txt', 'json', { 'task-clock': 22.147974 + 22.233572, 'page-faults': 83 }],
    ['per-node.txt', 'text', { 'task-clock': 45.29, 'page-faults': 83 }],
    ['per-node.csv', 'csv', { 'task-clock': 45.44, 'page-faults': 82 }],
    ['per-node.json.txt', 'json', { 'task-clock': 44.30959, 'page-faults': 82 }],
    ['interval-socket.txt', 'text', { 'task-clock': 40.85 + 31.11, 'page-faults': 88 }],
    ['interval-socket.csv', 'csv', { 'task-clock': 40.67 + 28.8, 'page-faults': 90 }],
    ['interval-socket.json.txt', 'json', { 'task-clock': 40.629473 + 25.781733, 'page-faults': 88 }],
    // The sums at the end, not them and the intervals.
    ['interval-summary.txt', 'text', { 'task-clock': 107.94, 'page-faults': 88 }],
    ['interval-summary.csv', 'csv', { 'task-clock': 103.96, 'page-faults': 89 }],
    ['interval-summary.json.txt', 'json', { 'task-clock': 104.972378, 'page-faults': 186 }],
    ['interval.txt', 'text', { 'task-clock': 46.9 + 40.93 + 16.43, 'page-faults': 272, cycles: 'not supported' }],
    ['interval.csv', 'csv', { 'task-clock': 40.79 + 40.98 + 24.25, 'page-faults': 252 }],
    ['interval.json.txt', 'json', { 'task-clock': 40.816562 + 40.960761 + 30.252425, 'page-faults': 247 }],
  ])('%s is read as %s, line by line', (name, form, expected) => {
    const stat = read(name);
    expect([stat.form, stat.unknown]).toEqual([form, []]);
    expect(counts(stat)).toEqual(
      Object.fromEntries(
        Object.entries(expected).map(([key, value]) => [
          key,
          typeof value === 'number' ? (expect.closeTo(value, 9) as number) : value,
        ]),
      ),
    );
  });

  it('is the same in all three forms', () => {
    const [text, csv, json] = ['txt', 'csv', 'json.txt'].map((ending) => read(`amd-multiplexed.${ending}`));
    const shares = ({ events }: PerfStat) => events.slice(0, 8).map(({ runningShare }) => runningShare);
    expect(counts(csv)).toEqual(counts(json));
    expect(counts(text)).toEqual(counts(json));
    expect([shares(text), shares(csv)]).toEqual([shares(json), shares(json)]);
    expect(counts(json)).toMatchObject({
      'amd_iommu_0/mem_trans_total/': 12_000_000,
      'amd_iommu_0/mem_dte_hit,devid=0x4100,devid_mask=0xffff/': 40_000,
      'amd_iommu_0/mem_dte_mis/': 'not counted',
      'amd_iommu_0/smi_blk/': 'not supported',
    });
    expect([text.unknown, csv.unknown, json.unknown]).toEqual([[], [], []]);
  });

  it('is extrapolated by perf, or here when it was not', () => {
    const [event] = read('amd-multiplexed.csv', false).events;
    expect(event).toMatchObject({
      runningShare: expect.closeTo(0.334, 9) as number,
      count: expect.closeTo(12e6 / 0.334, 3) as number,
    });
    expect(counts(read('amd-multiplexed.txt', false))['cpu-clock']).toBe(2002.1);
  });

  it('has thousands separators of any locale', () => {
    for (const number of ['1,234,567', '1.234.567', "1'234'567", '1 234 567', '1\u202f234\u202f567', '1234567']) {
      expect(counts(parsePerfStat(`   ${number}      cycles   #  1.2 GHz  (50,00%)\n`, { isScaled: true }))).toEqual({
        cycles: 1_234_567,
      });
    }
    expect(counts(read('intel-iio.txt'))).toMatchObject({
      'unc_iio_iommu0.first_lookups': 1e6,
      'UNC_IIO_IOMMU0.MISSES': 23_456,
    });
  });

  it('with -r has the variance between event and run time in CSV', () => {
    const line = '     1.5,40.75,msec,task-clock,0.27%,40752535,50.00,2.038,CPUs utilized';
    expect(parsePerfStat(line, { isScaled: true }).events).toEqual([
      { name: 'task-clock', count: 40.75, status: 'counted', runningShare: 0.5 },
    ]);
  });

  it('reports each line that it does not understand', () => {
    const stat = parsePerfStat('      12      cycles\nwhat is this? no count\n', { isScaled: true });
    expect([counts(stat), stat.unknown]).toEqual([{ cycles: 12 }, [{ line: 2, text: 'what is this? no count' }]]);
    expect(parsePerfStat('question: What?\n', { isScaled: true }).events).toEqual([]);
  });
});

describe('names of events', () => {
  it.each([
    ['amd_iommu_0/mem_trans_total/', 'amd_iommu', 'mem_trans_total'],
    ['amd_iommu/page_tbl_read_nst/u', 'amd_iommu', 'page_tbl_read_nst'],
    ['amd_iommu_3/csource=0x05/', 'amd_iommu', 'mem_trans_total'],
    ['amd_iommu_0/csource=24/', 'amd_iommu', 'smi_blk'],
    ['dmar12/iotlb_lookup/', 'dmar', 'iotlb_lookup'],
    ['dmar0/event_group=2,event=0x80/', 'dmar', 'fs_nonleaf_hit'],
    ['uncore_iio_5/event=0x40,umask=0x20/', 'uncore_iio', 'UNC_IIO_IOMMU0.MISSES'],
    ['uncore_iio_5/unc_iio_iommu0.4k_hits/', 'uncore_iio', 'UNC_IIO_IOMMU0.4K_HITS'],
    ['unc_iio_iommu1.num_mem_accesses [uncore_iio_2]', 'uncore_iio', 'UNC_IIO_IOMMU1.NUM_MEM_ACCESSES'],
    ['unc_iio_iommu1.slpwc_cache_lookups', 'uncore_iio', 'UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS'],
    ['uncore_iio_5/unc_iio_iommu1.slpwc_cache_lookups/', 'uncore_iio', 'UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS'],
    ['uncore_iio_5/event=0x41,umask=0x01/', 'uncore_iio', 'UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS'],
    ['unc_iio_pwt_occupancy', 'uncore_iio', 'UNC_IIO_PWT_OCCUPANCY'],
    ['smmuv3_pmcg_2b442/tlb_miss/', 'smmuv3_pmcg', 'tlb_miss'],
    ['smmuv3_pmcg_2b442/event=0x4/', 'smmuv3_pmcg', 'trans_table_walk_access'],
    ['mem_dte_hit', 'amd_iommu', 'mem_dte_hit'],
  ])('%s', (text, pmu, name) => {
    expect(iommuEvent(text)).toMatchObject({ pmu, name });
  });

  it('keep their filters', () => {
    expect(iommuEvent('amd_iommu_0/mem_dte_hit,devid=0x4100/')?.filters).toEqual(['devid=0x4100']);
    expect(iommuEvent('dmar0/iotlb_hit,filter_pasid=7,filter_pasid_en=1/')?.filters).toHaveLength(2);
  });

  it.each(['cycles', 'task-clock', 'cpu/event=0x3c/', 'amd_l3/l3_lookup/', 'amd_iommu_0/csource=0x99/'])(
    '%s is none',
    (text) => {
      expect(iommuEvent(text)).toBeUndefined();
    },
  );
});
