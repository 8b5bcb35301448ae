import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newFolder } from '../support/folders.ts';
import { inside, insideOf } from './inside.ts';

const folder = newFolder();
const here = insideOf(folder);

const out = join(folder, 'mrc');

const short = ['uniform-window', '--set', 'run.requests=20000', '--set', 'run.seeds=1', '--no-progress'];

describe('mrc', () => {
  it('writes mrc.csv beside the results of the run, and gives the curve as JSON', async () => {
    const { code, out: stdout } = await here('mrc', ...short, '--json', '--sets', '8,64', '--out', out);
    expect(code).toBe(0);
    const { curves, directory } = JSON.parse(stdout) as {
      curves: { hit_ratio: { entries: number; value: number }[] }[];
      directory: string;
    };
    const at = (entries: number) => curves[0].hit_ratio.find((each) => each.entries === entries)!.value;
    expect(Math.abs(at(512) - 0.5)).toBeLessThan(0.01);
    expect(at(1024)).toBeGreaterThan(0.99);
    const files = readdirSync(directory);
    expect(files).toEqual(expect.arrayContaining(['mrc.csv', 'summary.csv', 'manifest.json']));
    const rows = readFileSync(join(directory, 'mrc.csv'), 'utf8').trim().split('\r\n');
    expect(rows[0]).toMatch(
      /^scenario,point,seed,iommu,scope,leaf_bytes,tenant,sharing,sets,ways,entries,lookups,hits,hit_ratio/,
    );
    expect(rows.filter((row) => /,all,,,shared,1,512,512,/.test(row))).toHaveLength(1);
    expect(rows.filter((row) => /,all,,,shared,64,/.test(row))).toHaveLength(32);
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as { command: string };
    expect(manifest.command).toMatch(/^nestwalk mrc uniform-window .*--sets 8,64$/);
  });

  it('draws the curve in 80 columns, and leaves plain runs without mrc.csv', async () => {
    const { code, out: stdout } = await here('mrc', ...short, '--out', out);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    const sketch = lines.slice(
      lines.findIndex((line) => line.startsWith('100 %')),
      lines.findIndex((line) => line.includes('▲')),
    );
    expect(sketch.length).toBeGreaterThan(10);
    for (const line of sketch) expect(line.length).toBeLessThanOrEqual(80);
    const plain = await here('run', ...short, '--json', '--out', out);
    expect(existsSync(join((JSON.parse(plain.out) as { directory: string }).directory, 'mrc.csv'))).toBe(false);
  });

  it.each([
    [
      'machine.iotlb.split.level1.entries=16',
      /4 KiB: 512 entries.*2 MiB: 16\s+entries.*│ 2 MiB, 1 GiB │ +0 │ +16 │ +– │/s,
    ],
    [
      'machine.iotlb.partition.minimum.host=2',
      /512 entries, fully associative, lru, ways\s+divided:\s.*for\s+all\s+tenants/s,
    ],
    // All that the device's own cache misses; what that holds depends on no capacity.
    ['tenants.host.devices.accelerator.ats.entries=64', /512 entries.*\s+[1-9][\d.]* %\s+of\s+lookups/s],
  ])('has curves for %s', async (set, text) => {
    const { code, out: stdout } = await here('mrc', ...short, '--set', set, '--out', out);
    expect(code).toBe(0);
    expect(stdout).toMatch(text);
  });

  it.each([
    [['--sets', '0'], /--sets: "0" is not a whole number from 1 to 65536/],
    [['--sets', '4,x'], /--sets: "x" is not a whole number/],
    [['--ways', '5000'], /--ways: "5000" is not a whole number from 1 to 1024/],
    [['--pages', '3'], /--pages: "3" is not a whole number/],
    [['--set', 'tenants.host.mode=passthrough'], /nothing is translated/],
    [['--set', 'machine.iotlb.negative=true'], /machine.iotlb.negative: .*leave negative out/],
    [['--set', 'machine.prefetchPages=7'], /machine.prefetchPages: .*mrc needs --set machine.prefetchPages=0/],
    [['--sets', '4', '--set', 'machine.iotlb.index=hash'], /no curves over ways; expected modulo or shifted/],
  ])('refuses %j before any work', async (flags, message) => {
    const { code, err, out: stdout } = await inside('mrc', ...short, ...flags, '--out', join(out, 'refused'));
    expect([code, stdout]).toEqual([2, '']);
    expect(err).toMatch(message);
    expect(existsSync(join(out, 'refused'))).toBe(false);
  });
});
