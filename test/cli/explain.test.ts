import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inside } from './inside.ts';
import { shell, SMALL } from './support.ts';

const { folder } = shell();

const small = join(folder, 'small.yaml');
writeFileSync(small, SMALL);

describe('explain', () => {
  it('draws a nested walk in 80 columns, its rows the guest levels and its columns the host levels', async () => {
    const { code, out, err } = await inside('explain', 'nested-cost', '--point', 'nested 4K/4K');
    expect([code, err]).toEqual([0, '']);
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(out).toMatch(
      /^ +3 +2 +1 +0\ndevice table +\[1\]\nPASID table +\[2\]─+▶\[3\]─+▶\[4\]─+▶\[5\]─+▶\[6\] ▶ 0x\w+$/m,
    );
    expect(out).toMatch(/^page +hit─+▶\[15\]─+▶\[16\]─+▶\[17\] ▶ 0x1001b4000$/m);
    expect(out).toMatch(/^0xfffff000 → 0x1001b4000; 17 memory reads, 1910\.0 ns$/m);
  });

  it('draws where a fault ends it, and what caches knew', async () => {
    const absent = await inside('explain', small, '--iova', '0x12345678');
    expect(absent.out).toMatch(/^page +\[2\].* ✗ not_present$/m);
    const warm = await inside('explain', small, '--after-ns', '20000');
    expect(warm.out).toMatch(/^IOTLB +hit ▶ 0x\w+$/m);
    const cold = await inside('explain', small);
    expect(cold.out).toMatch(/overhead of a walk, waiting for walkers and fills +\d+\.\d ns$/m);
  });

  it('prints the steps as JSON with their costs', async () => {
    const { out } = await inside('explain', small, '--json');
    const { steps, translationNs, mode } = JSON.parse(out) as {
      steps: { sumNs: number }[];
      translationNs: number;
      mode: string;
    };
    expect(mode).toBe('host');
    expect(translationNs).toBeGreaterThanOrEqual(steps.at(-1)!.sumNs);
  });

  it('asks for an address when the device waits just then', async () => {
    const { code, err } = await inside('explain', 'bounce', '--after-ns', '20000');
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/has nothing to send at 20000 ns; give an address with --iova/),
    ]);
  });
});
