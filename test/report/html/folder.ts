/** Result folders with chosen numbers, as run leaves them, without a simulation. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellOf } from '../../../src/report/csv.ts';
import { newFolder } from '../../support/folders.ts';

type Cell = string | number | undefined;
type Row = Readonly<Record<string, Cell>>;

export interface FakePoint {
  readonly name: string;
  readonly mode?: string;
  readonly values?: Readonly<Record<string, string | number>>;
  /** IOTLB hit ratio; the other numbers follow from it. */
  readonly hits?: number;
}

export interface FakeRun {
  readonly scenario?: string;
  readonly question?: string;
  readonly answers?: readonly string[];
  readonly command?: string;
  readonly table?: readonly string[];
  readonly measured?: readonly object[];
  readonly points: readonly FakePoint[];
  readonly seeds?: number;
  readonly tenants?: readonly string[];
}

const HEADERS = {
  summary: [
    'tenant_mode requests requests_translated iotlb_lookups iotlb_hit_ratio iotlb_misses_cold iotlb_misses_capacity',
    'iotlb_misses_conflict iotlb_misses_invalidated walks reads_per_walk walk_ns_mean walk_wait_ns_mean',
    'translation_ns_mean translation_ns_p50 translation_ns_p99 translation_ns_p999 completion_ns_mean',
    'completion_ns_p50 completion_ns_p99 completion_ns_p999 throughput_gbps cpu_ns_per_gb',
  ].join(' '),
  tenants: 'tenant tenant_mode throughput_gbps translation_ns_mean translation_ns_p99 iotlb_hit_ratio',
  walks: 'tenant measure stage level depth count',
  latency: 'tenant latency low_ns high_ns count',
  timeline: 'tenant device time_ns requests bytes iotlb_hits iotlb_misses translation_ns_mean',
  mrc: 'iommu scope sets entries lookups hits',
} as const;
type File = keyof typeof HEADERS;

/** Writes the folder, below one of its own, and returns its path. */
export function resultFolder(name: string, run: FakeRun): string {
  const folder = join(newFolder(), name);
  mkdirSync(folder, { recursive: true });
  const { scenario = 'demo', seeds = 1, tenants = ['host'] } = run;
  const files: Record<string, string> = {};
  for (const file of Object.keys(HEADERS) as File[]) {
    const columns = ['scenario', 'point', 'seed', ...HEADERS[file].split(' ')];
    const rows = run.points.flatMap((point) =>
      Array.from({ length: seeds }, (_, i) =>
        rowsOf(point, i + 1, tenants)[file].map((row): Row => ({ scenario, point: point.name, seed: i + 1, ...row })),
      ).flat(),
    );
    const text = [columns, ...rows.map((row) => columns.map((column) => quoted(cellOf(row[column]))))]
      .map((cells) => `${cells.join(',')}\r\n`)
      .join('');
    writeFileSync(join(folder, `${file}.csv`), text);
    files[`${file}.csv`] = createHash('sha256').update(text).digest('hex');
  }
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest(run), scenario, files }));
  return folder;
}

const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function manifest({
  question,
  answers,
  command,
  table,
  measured,
  points,
  seeds = 1,
  tenants = ['host'],
}: FakeRun): object {
  return {
    program: 'nestwalk',
    version: '1.2.3',
    runId: '0123456789ab',
    question: question ?? 'What does it cost?',
    answers: answers ?? ['throughput_gbps of nested: 50 Gbit/s, against 100 Gbit/s of host: −50 Gbit/s, −50 %.'],
    command: command ?? 'nestwalk run demo',
    table: table ?? ['iotlb_hit_ratio', 'translation_ns_mean', 'throughput_gbps', 'cpu_ns_per_gb'],
    measured: measured ?? [],
    points: points.map(({ name, mode = 'host', values = {} }) => ({
      point: name,
      seeds: Array.from({ length: seeds }, (_, i) => i + 1),
      values,
      machine: {
        preset: 'generic',
        walkers: 16,
        iotlb: { entries: 512, ways: 8, replacement: 'lru', index: 'modulo' },
        latency: { memoryReadNs: 110, dmaReadNs: 500 },
        estimates: ['machine.walkers', 'machine.latency'],
        sources: [{ path: 'machine.latency.dmaReadNs', source: 'pcie-bench' }],
      },
      os: { kernelEra: 'amd-6.1' },
      tenants: tenants.map((tenant) => ({ name: tenant, mode, policy: 'strict', devices: [] })),
      run: { intervalNs: 1000, requests: 1000 },
    })),
  };
}

/** Plausible numbers that differ by point and seed. */
function rowsOf(
  { mode = 'host', hits = 0.5 }: FakePoint,
  seed: number,
  tenants: readonly string[],
): Record<File, Row[]> {
  const isTranslated = mode !== 'passthrough';
  const misses = Math.round((1 - hits) * 1000) + seed;
  const translation = isTranslated ? 10 + (1 - hits) * 200 + seed : 0;
  const reads = mode === 'nested' ? 4 : 2;
  const gbps = 100 - (1 - hits) * 40 - seed;
  const summary: Row = {
    tenant_mode: mode,
    requests: 1000,
    requests_translated: isTranslated ? 1000 : 0,
    iotlb_lookups: isTranslated ? 1000 : 0,
    iotlb_hit_ratio: isTranslated ? 1 - misses / 1000 : undefined,
    iotlb_misses_cold: 3,
    iotlb_misses_capacity: misses - 3,
    iotlb_misses_conflict: 0,
    iotlb_misses_invalidated: 2,
    walks: isTranslated ? misses : 0,
    reads_per_walk: isTranslated ? reads : undefined,
    walk_ns_mean: isTranslated ? reads * 60 : undefined,
    walk_wait_ns_mean: isTranslated ? 5 : undefined,
    translation_ns_mean: translation,
    translation_ns_p50: translation,
    translation_ns_p99: translation * 2,
    translation_ns_p999: translation * 3,
    completion_ns_mean: 500 + translation,
    completion_ns_p50: 500 + translation,
    completion_ns_p99: 500 + translation * 2,
    completion_ns_p999: 500 + translation * 3,
    throughput_gbps: gbps,
    cpu_ns_per_gb: 16_000_000 + (mode === 'nested' ? 800_000 : 0),
  };
  const walks = (tenant: string): Row[] => [
    { tenant, measure: 'table_reads', stage: 'host', level: 0, count: misses },
    { tenant, measure: 'table_reads', stage: 'host', level: 1, count: misses },
    ...(mode === 'nested' ? [{ tenant, measure: 'table_reads', stage: 'guest', level: 0, count: 2 * misses }] : []),
    { tenant, measure: 'walks', stage: '', depth: reads, count: misses },
  ];
  const latency = (tenant: string): Row[] =>
    ['translation', 'completion'].flatMap((which) =>
      [0, 1, 2, 3, 4, 5].map((i) => {
        const low = (which === 'completion' ? 500 : 0) + translation * (i + 1);
        return {
          tenant,
          latency: which,
          low_ns: low,
          high_ns: low + Math.max(translation, 0.001),
          count: 10 ** (6 - i),
        };
      }),
    );
  const timeline = (tenant: string): Row[] =>
    [0, 1000, 2000, 3000].map((time) => ({
      tenant,
      device: 'dev',
      time_ns: time,
      requests: 100,
      bytes: 6400 + time,
      iotlb_hits: 60,
      iotlb_misses: 40,
      translation_ns_mean: translation,
    }));
  const mrc = [64, 128, 256, 512].map((entries) => ({
    iommu: 0,
    scope: 'all',
    sets: 1,
    entries,
    lookups: 1000,
    hits: (entries * 1000 * hits) / 512,
  }));
  return {
    summary: [summary],
    tenants: tenants.map((tenant) => ({ ...summary, tenant, throughput_gbps: gbps / tenants.length })),
    walks: isTranslated ? tenants.flatMap(walks) : [],
    latency: tenants.flatMap(latency),
    timeline: tenants.flatMap(timeline),
    mrc: isTranslated ? mrc : [],
  };
}

/** Modes side by side, with two tenants: most charts have something to say. */
export const MODES: FakeRun = {
  points: [
    { name: 'passthrough', mode: 'passthrough' },
    { name: 'host', hits: 0.8 },
    { name: 'nested 4K/4K', mode: 'nested', hits: 0.4 },
  ],
  seeds: 2,
  tenants: ['vm-a', 'vm-b'],
};

/** A sweep over two numbers and a mode, with published values. */
export const SWEEP: FakeRun = {
  points: ['on', 'off'].flatMap((which) =>
    [64, 128, 256, 512].flatMap((entries) =>
      [1, 2, 4, 8].map((walkers) => ({
        name: `${which} entries=${entries} walkers=${walkers}`,
        values: { 'tenants.host.policy': which, 'machine.iotlb.entries': entries, 'machine.walkers': walkers },
        hits: Math.min(1, (entries * walkers) / 2048),
      })),
    ),
  ),
  seeds: 2,
  measured: [
    {
      metric: 'iotlb_hit_ratio',
      source: 'a paper',
      tolerance: 0.1,
      points: { 'on entries=64 walkers=1': 0.03, 'on entries=512 walkers=8': 0.99 },
    },
  ],
};
