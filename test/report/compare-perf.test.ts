import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { PMU_EVENTS } from '../../src/report/columns/pmu.ts';
import { comparePerf, perfCsv, perfText } from '../../src/report/compare-perf.ts';
import type { RunPoint } from '../../src/report/compare-read.ts';
import { REFERENCES } from '../../src/report/perf/notes.ts';
import { parsePerfStat } from '../../src/report/perf/stat.ts';

const stat = (name: string) =>
  parsePerfStat(readFileSync(fileURLToPath(new URL(`perf/samples/${name}`, import.meta.url)), 'utf8'), {
    isScaled: true,
  });

/** Two seeds with these means; other events of the PMUs are 0. */
function simulated(means: Readonly<Record<string, number>>): RunPoint {
  const events = PMU_EVENTS.map(({ pmu, name }) => {
    const mean = means[name] ?? 0;
    return [
      `${pmu} ${name}`,
      new Map([
        [1, mean - 1],
        [2, mean + 1],
      ]),
    ] as const;
  });
  return { name: '', metrics: new Map(), settings: new Map(), events: new Map(events) };
}

const point = simulated({
  mem_trans_total: 2000,
  mem_iommu_tlb_pte_hit: 880,
  mem_iommu_tlb_pte_mis: 550,
  page_tbl_read_tot: 1200,
});
const compared = comparePerf(point, stat('amd-multiplexed.txt'));
const row = (event: string) => compared.rows.find((each) => each.event === event);

describe('measured beside simulated counters', () => {
  it('compares per 1000 requests, all units together', () => {
    // 15 million requests on two units: 6.6 million hits are 440 a thousand, as are 880 of 2000.
    expect(row('mem_trans_total')).toMatchObject({ measured: 15e6, simulated: 2000, ratio: 1 });
    expect(row('mem_iommu_tlb_pte_hit')).toMatchObject({ measuredPerMille: 440, simulatedPerMille: 440, ratio: 1 });
    expect(row('mem_iommu_tlb_pte_mis')).toMatchObject({ measuredPerMille: 550, simulatedPerMille: 275, ratio: 2 });
    expect(row('cmd_processed')).toMatchObject({ measured: 1500, ratio: undefined });
  });

  it('explains what cannot be compared, and what is defined differently where it matters', () => {
    const text = compared.notes.join('\n');
    expect(text).toMatch(/7 events shared counters and ran from 33\.3 % of the time: their counts are extrapolated/);
    expect(text).toMatch(/int_dte_hit: interrupt remapping is not simulated/);
    expect(text).toMatch(/mem_dte_mis: perf had no counter for it; ask for fewer/);
    expect(text).toMatch(/smi_blk: this machine or kernel does not have it/);
    expect(text).toMatch(/mem_dte_hit: filtered by devid=0x4100, devid_mask=0xffff/);
    expect(text).toMatch(/mem_iommu_tlb_pte_mis: /);
    expect(text).not.toMatch(/mem_iommu_tlb_pte_hit: /);
    expect(compared.others).toEqual(['cpu-clock']);
    expect(compared.unmeasured).toContain('page_tbl_read_gst');
  });

  it('fits 80 columns', () => {
    for (const name of ['amd-multiplexed.txt', 'intel-iio.txt']) {
      const text = perfText(comparePerf(point, stat(name)));
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    }
  });

  it('says which event to measure when there is none to compare by', () => {
    const lone = parsePerfStat('  100  amd_iommu_0/page_tbl_read_tot/\n', { isScaled: true });
    const { rows, notes } = comparePerf(point, lone);
    expect(rows[0]).toMatchObject({ measured: 100, simulated: 1200, measuredPerMille: undefined, ratio: undefined });
    expect(notes[0]).toMatch(/amd_iommu: no mem_trans_total or mem_dte_hit on both sides.*add it to perf stat -e/);
  });

  it('is CSV with the reason beside each event', () => {
    const rows = parse<Record<string, string>>(perfCsv([{ label: 'x', perf: compared }]), { columns: true });
    expect(rows.find(({ event }) => event === 'int_dte_hit')).toMatchObject({
      side: 'x',
      measured: '12345',
      simulated: '',
      note: expect.stringContaining('interrupt remapping') as string,
    });
    expect(rows.find(({ event }) => event === 'mem_dte_mis')).toMatchObject({ status: 'not counted', measured: '' });
  });

  it('has reference events that the simulator counts', () => {
    for (const [pmu, names] of Object.entries(REFERENCES)) {
      for (const name of names)
        expect(
          PMU_EVENTS.some((event) => event.pmu === pmu && event.name === name),
          name,
        ).toBe(true);
    }
  });
});
