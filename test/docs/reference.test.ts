/** The generated pages say what the program says. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
// Plain JavaScript that reads dist/.
import { referencePages } from '../../scripts/docs/reference.mjs';

const pages = (await referencePages()) as Record<string, string>;
const fileOf = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

describe('docs/reference', () => {
  it.each(Object.keys(pages))('%s is up to date (else: node scripts/docs.mjs reference)', (path) => {
    expect(fileOf(path)).toBe(pages[path]);
  });

  it('has every command, result file and PMU, and tables without holes', () => {
    expect(pages['docs/reference/CLI.md']).toMatch(/## run\n[^]*## mrc\n[^]*--sets[^]*## completion\n/);
    expect(pages['docs/reference/COLUMNS.md']).toMatch(/## summary\.csv[^]*`iotlb_hit_ratio`[^]*## mrc\.csv/);
    expect(pages['docs/reference/SCENARIO.md']).toMatch(
      /`machine\.iotlb\.entries`[^]*`tenants\.NAME\.mode`[^]*traffic\(nic\)\.ringEntries[^]*`run\.seeds`/,
    );
    expect(pages['docs/reference/PMU.md']).toMatch(/## amd_iommu[^]*`csource=0x05`[^]*## smmuv3_pmcg/);
    for (const page of Object.values(pages)) {
      expect(page).not.toMatch(/undefined|\[object/);
    }
  });

  it('says what every value is that a scenario leaves out', () => {
    const scenario = pages['docs/reference/SCENARIO.md'];
    expect(scenario).toMatch(/traffic\(nic\)\.ringEntries` \| [^|]* \| 1024 \|/);
    expect(scenario).toMatch(/NAME\.ats\.entries` \| [^|]* \| 512 \|/);
    expect(scenario).toMatch(/`run\.quantumNs` \| [^|]* \| 20000 \|/);
    const presets = pages['docs/reference/PRESETS.md'];
    expect(presets).toMatch(
      /## amd-rome[^]*`machine\.iotlb` \| 1024 entries, 8 ways, lru, modulo \| \*\*estimate\*\* \|/,
    );
    expect(presets).toMatch(/`os\.viommu\.domainIds` \| 65536 \| Linux/);
  });

  it('has as many cells in every row as in its heading', () => {
    const cells = (line: string): number => line.replaceAll('\\|', '').split('|').length;
    for (const page of Object.values(pages)) {
      let heading = 0;
      for (const line of page.split('\n')) {
        if (!line.startsWith('|')) heading = 0;
        else if (heading === 0) heading = cells(line);
        else expect(cells(line)).toBe(heading);
      }
    }
  });
});
