import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RESULT_FILES } from '../../src/report/columns/files.ts';
import { runId } from '../../src/report/manifest.ts';
import {
  probeWritable,
  removeLeftovers,
  runDirectory,
  type RunDirectoryInput,
  writeRunDirectory,
} from '../../src/report/run-directory.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { RunSpec, TraceRows } from '../../src/spec.ts';
import { kernelModule } from '../support/kernel.ts';
import { deviceSpecs, runLimits, runSpec, tenantSpec } from '../support/spec.mjs';

const specs = [1, 2].map((seed) =>
  runSpec({ scenario: 'demo', seed, run: runLimits({ requests: 300, intervalNs: 2000 }) }),
);
const results = specs.map((spec) => simulate(spec, kernelModule));
const input: RunDirectoryInput = {
  version: '1.2.3',
  question: 'What?',
  specs,
  results,
  answers: ['42.'],
  environment: { host: 'here', startedAt: 'now' },
};
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, sha256(readFileSync(join(folder, name)))]));

let out = '';
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'nestwalk-out-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

describe('a run directory', () => {
  it('has every result file, the manifest and the environment, and nothing is left beside it', () => {
    const folder = writeRunDirectory(out, input);
    expect(folder).toBe(join(out, 'demo', runId(specs, '1.2.3')));
    const always = RESULT_FILES.filter(({ asked }) => asked === undefined);
    const expected = [...always.map((file) => file.file), 'manifest.json', 'environment.json'];
    expect(readdirSync(folder).sort()).toEqual(expected.sort());
    expect(readdirSync(join(out, 'demo'))).toEqual([runId(specs, '1.2.3')]);
  });

  it('has one header and the rows of all seeds in order', () => {
    const lines = readFileSync(join(writeRunDirectory(out, input), 'summary.csv'), 'utf8').split('\r\n');
    expect(lines).toHaveLength(4);
    expect(lines[1]).toMatch(/^demo,,1,host,/);
    expect(lines[2]).toMatch(/^demo,,2,host,/);
    expect(lines[3]).toBe('');
  });

  it('has a manifest whose hashes are those of the files', () => {
    const folder = writeRunDirectory(out, input);
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const { 'manifest.json': _, 'environment.json': __, ...files } = contents(folder);
    expect(manifest.files).toEqual(files);
    expect(manifest).toMatchObject({ program: 'nestwalk', version: '1.2.3', scenario: 'demo', answers: ['42.'] });
    expect(manifest.runId).toBe(runId(specs, '1.2.3'));
    expect(manifest.points).toHaveLength(1);
    expect(manifest.points[0].seeds).toEqual([1, 2]);
    expect(manifest.points[0].machine).toEqual(specs[0].machine);
  });

  it('differs between executions in environment.json alone', () => {
    const before = contents(writeRunDirectory(out, input));
    const after = contents(writeRunDirectory(out, { ...input, environment: { host: 'there', startedAt: 'later' } }));
    expect(after['environment.json']).not.toBe(before['environment.json']);
    expect({ ...after, 'environment.json': '' }).toEqual({ ...before, 'environment.json': '' });
  });

  it('replaces that of an earlier run as a whole', () => {
    const folder = writeRunDirectory(out, input);
    writeFileSync(join(folder, 'stray.txt'), 'old');
    writeRunDirectory(out, input);
    expect(existsSync(join(folder, 'stray.txt'))).toBe(false);
    expect(readdirSync(join(out, 'demo'))).toHaveLength(1);
  });

  it('is not there at all when writing fails half way', () => {
    const broken = { ...input, results: [results[0], { ...results[1], units: undefined as never }] };
    expect(() => writeRunDirectory(out, broken)).toThrow();
    expect(readdirSync(join(out, 'demo'))).toEqual([]);
  });

  it('keeps the earlier run when writing the next one fails', () => {
    const before = contents(writeRunDirectory(out, input));
    expect(() => writeRunDirectory(out, { ...input, results: [undefined as never] })).toThrow();
    expect(contents(runDirectory(out, specs, '1.2.3'))).toEqual(before);
  });
});

describe('the run-id', () => {
  const traced = (rows: Partial<TraceRows>): RunSpec[] => {
    const columns: TraceRows = {
      issuePs: Float64Array.of(1, 2),
      page: Float64Array.of(1, 2),
      offset: Uint16Array.of(0, 0),
      lengthBytes: Uint32Array.of(4, 4),
      op: Uint8Array.of(1, 1),
      ...rows,
    };
    const traffic = { model: 'replay' as const, path: 't.csv', outstanding: 0, rows: columns };
    return [runSpec({ tenants: [tenantSpec({ devices: deviceSpecs(1, { traffic }) })] })];
  };

  it('is that of the content: equal for a copy', () => {
    expect(runId(structuredClone(specs), '1')).toBe(runId(specs, '1'));
    expect(runId(traced({}), '1')).toBe(runId(traced({}), '1'));
    expect(runId(specs, '1')).toMatch(/^[0-9a-f]{12}$/);
  });

  it('is another one for another version, seed, value or trace', () => {
    const ids = [
      runId(specs, '1'),
      runId(specs, '2'),
      runId([specs[0]], '1'),
      runId([specs[1], specs[0]], '1'),
      runId([{ ...specs[0], run: runLimits({ requests: 301 }) }], '1'),
      runId(traced({}), '1'),
      runId(traced({ page: Float64Array.of(1, 3) }), '1'),
      runId(traced({ op: Uint8Array.of(1, 2) }), '1'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('leftovers of killed processes', () => {
  it('are removed when their process is gone, and nothing else is', () => {
    const names = ['.0123456789ab.7.tmp', '.0123456789ab.7.tmp.old', '.0123456789ab.8.tmp', '0123456789ab', '.x.7.tmp'];
    for (const name of names) mkdirSync(join(out, 'demo', name), { recursive: true });
    removeLeftovers(out, 'demo', (pid) => pid === 8);
    expect(readdirSync(join(out, 'demo')).sort()).toEqual(['.0123456789ab.8.tmp', '.x.7.tmp', '0123456789ab']);
  });

  it('give an earlier run back that was moved aside when its process was killed', () => {
    const before = contents(writeRunDirectory(out, input));
    const id = runId(specs, '1.2.3');
    renameSync(join(out, 'demo', id), join(out, 'demo', `.${id}.7.tmp.old`));
    mkdirSync(join(out, 'demo', `.${id}.7.tmp`));
    removeLeftovers(out, 'demo', () => false);
    expect(readdirSync(join(out, 'demo'))).toEqual([id]);
    expect(contents(join(out, 'demo', id))).toEqual(before);
  });
});

describe('the probe', () => {
  it('creates the folder and leaves nothing in it', () => {
    probeWritable(join(out, 'a/b'), 'demo');
    expect(readdirSync(join(out, 'a/b/demo'))).toEqual([]);
  });

  it('throws the reason when a file is in the way', () => {
    writeFileSync(join(out, 'file'), '');
    expect(() => probeWritable(join(out, 'file'), 'demo')).toThrow(/ENOTDIR|EEXIST/);
  });
});
