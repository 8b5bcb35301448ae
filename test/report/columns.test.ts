import { describe, expect, it } from 'vitest';
import { C_MISSES } from '../../src/kernel/layout.ts';
import { METRICS, RESULT_FILES, SUMMARY_COLUMNS } from '../../src/report/columns/files.ts';
import { totalsOf } from '../../src/report/columns/totals.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { kernelModule } from '../support/kernel.ts';
import { runLimits, runSpec } from '../support/spec.mjs';

/** Scripts of users rely on these, in this order; more may stand between or after them, none may go. */
const PROMISED = `scenario point seed tenant_mode sim_duration_ns requests requests_translated requests_untranslated
  requests_pretranslated faults iotlb_lookups iotlb_lookups_all iotlb_hits iotlb_misses iotlb_hit_ratio iotlb_misses_cold
  iotlb_misses_capacity iotlb_misses_conflict iotlb_misses_invalidated walks walk_reads walk_reads_stage1
  walk_reads_stage2 reads_per_walk dte_reads pasid_reads translation_ns_mean translation_ns_p50 translation_ns_p99
  translation_ns_p999 completion_ns_p99 throughput_gbps link_utilisation maps unmaps invalidation_commands
  invalidated_entries vm_exits cpu_ns_total cpu_ns_per_gb`.split(/\s+/);

/** A column with this unit says so in its name. */
const IN_NAME: Record<string, RegExp> = {
  ns: /(^|_)ns(_|$)/,
  bytes: /(^|_)bytes$/,
  'Gbit/s': /_gbps$/,
  'ns/GB': /_ns_per_gb$/,
  '1/s': /_per_s$/,
};

describe('summary.csv', () => {
  it('has every promised column in the promised order', () => {
    const names = SUMMARY_COLUMNS.map((column) => column.name);
    expect(names.filter((name) => PROMISED.includes(name))).toEqual(PROMISED);
  });

  it.each([true, false])('has causes of misses only where they are told: %s', (missCauses) => {
    const run = simulate(runSpec({ run: runLimits({ requests: 500, missCauses }) }), kernelModule);
    const row = { run, totals: totalsOf(run, run.devices) };
    const causes = ['cold', 'capacity', 'conflict', 'invalidated'].map((cause) => {
      return SUMMARY_COLUMNS.find(({ name }) => name === `iotlb_misses_${cause}`)!.value(row) as number | undefined;
    });
    if (missCauses) expect(causes.reduce<number>((sum, count) => sum + count!, 0)).toBe(row.totals.counters[C_MISSES]);
    else expect(causes).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('offers its numbers, and only these, as metrics', () => {
    const run = simulate(runSpec({ run: { ...runSpec().run, requests: 200 } }), kernelModule);
    const row = { run, totals: undefined };
    expect(METRICS).toEqual(SUMMARY_COLUMNS.slice(4).map((column) => column.name));
    const texts = SUMMARY_COLUMNS.slice(0, 4).map((column) => column.value(row as never));
    expect(texts).toEqual(['test', '', 1, 'host']);
  });
});

describe.each(RESULT_FILES.map((file) => [file.file, file] as const))('%s', (_, file) => {
  const names = file.columns.map((column) => column.name);

  it('names each column once, in words of lower case', () => {
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
  });

  it('begins with the run that a row is of', () => expect(names.slice(0, 3)).toEqual(['scenario', 'point', 'seed']));

  it('says units in names, and what each column means', () => {
    for (const { name, unit, meaning, formula } of file.columns) {
      expect(meaning, name).not.toBe('');
      expect(formula, name).not.toBe('');
      if (unit === '') {
        for (const pattern of Object.values(IN_NAME)) expect(name).not.toMatch(pattern);
      } else {
        expect(IN_NAME[unit], `unit ${unit} of ${name}`).toBeDefined();
        expect(name).toMatch(IN_NAME[unit]);
      }
    }
  });

  it('gives each row a number, text or nothing in each column', () => {
    const run = simulate(runSpec({ values: { 'a.b': 1 }, run: { ...runSpec().run, requests: 500 } }), kernelModule);
    for (const row of file.rows(run)) {
      for (const column of file.columns) {
        const value = column.value(row);
        if (typeof value === 'number') expect(Number.isFinite(value), column.name).toBe(true);
        else expect(['string', 'undefined']).toContain(typeof value);
      }
    }
  });
});

describe('values of summary.csv', () => {
  const run = simulate(runSpec({ run: { ...runSpec().run, requests: 5000 } }), kernelModule);
  const [row] = [...RESULT_FILES[0].rows(run)];
  const value = (name: string): number =>
    SUMMARY_COLUMNS.find((column) => column.name === name)!.value(row as never) as number;

  it('keep the sum rules', () => {
    expect(value('requests')).toBe(5000);
    expect(value('iotlb_hits') + value('iotlb_misses')).toBe(value('iotlb_lookups'));
    expect(value('walk_reads_stage1') + value('walk_reads_stage2')).toBe(value('walk_reads'));
    expect(value('requests_translated') + value('requests_untranslated') + value('faults')).toBe(5000);
    expect(value('reads') + value('writes')).toBe(5000);
  });

  it('follow their formulas', () => {
    expect(value('iotlb_hit_ratio')).toBe(value('iotlb_hits') / value('iotlb_lookups'));
    expect(value('reads_per_walk')).toBe(value('walk_reads') / value('walks'));
    expect(value('read_bytes') + value('write_bytes')).toBe(5000 * 64);
    expect(value('throughput_gbps')).toBeCloseTo((8 * 5000 * 64) / value('sim_duration_ns'), 9);
  });
});
