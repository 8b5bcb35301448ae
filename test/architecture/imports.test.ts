/** dependency-cruiser enforces the import law on the real tree (`npm run check`); these canaries prove that it can. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/source.ts';

/** File → its text. Each breaks one rule, but for the last two. */
const CANARIES: Readonly<Record<string, string>> = {
  'src/spec.ts': "import '../src/lib/a.ts';",
  'src/request.ts': 'export const X = 1;',
  'src/lib/a.ts': 'export const a = 1;',
  'src/lib/b.ts': "import '../request.ts';",
  'src/kernel/kernel.ts': "import '../iommu/unit.ts';",
  'src/iommu/unit.ts': "import type { D } from '../driver/domain.ts';",
  'src/driver/domain.ts': "import '../traffic/device.ts'; import '../traffic/mapper.ts'; export type D = 1;",
  'src/traffic/mapper.ts': 'export const m = 1;',
  'src/traffic/device.ts': 'export const d = 1;',
  'src/traffic/devices/nic.ts': "import './zipf.ts';",
  'src/traffic/devices/zipf.ts': "import 'node:fs';",
  'src/traffic/devices/index.ts': "import './nic.ts'; import './zipf.ts';",
  'src/stats/histogram.ts': "import './bucket.ts';",
  'src/stats/bucket.ts': "import './histogram.ts';",
  'src/sim/simulate.ts': "import '../report/csv.ts';",
  'src/report/csv.ts': "import '../missing.ts';",
  'src/schedule/pool.ts': "import '../cli/main.ts';",
  'src/cli/main.ts': "import '../scenario/load.ts'; import '../sim/simulate.ts';",
  'src/scenario/load.ts': "import '../../test/x.ts';",
  'test/x.ts': 'export const x = 1;',
  'workers/run.ts': "import '../src/sim/simulate.ts';",
};

const EXPECTED = [
  'contracts-import-nothing: src/spec.ts -> src/lib/a.ts',
  'layer-cli: src/cli/main.ts -> src/sim/simulate.ts',
  'layer-driver: src/driver/domain.ts -> src/traffic/device.ts',
  'layer-iommu: src/iommu/unit.ts -> src/driver/domain.ts',
  'layer-kernel: src/kernel/kernel.ts -> src/iommu/unit.ts',
  'layer-lib: src/lib/b.ts -> src/request.ts',
  'layer-scenario: src/scenario/load.ts -> test/x.ts',
  'layer-schedule: src/schedule/pool.ts -> src/cli/main.ts',
  'layer-sim: src/sim/simulate.ts -> src/report/csv.ts',
  'no-circular: src/stats/bucket.ts -> src/stats/histogram.ts',
  'not-to-test: src/scenario/load.ts -> test/x.ts',
  'not-to-unresolvable: src/report/csv.ts -> ../missing.ts',
  'plugin-devices: src/traffic/devices/nic.ts -> src/traffic/devices/zipf.ts',
  'pure-below-sim: src/traffic/devices/zipf.ts -> fs',
];

describe('the import law', () => {
  const tree = mkdtempSync(join(tmpdir(), 'nestwalk-imports-'));
  beforeAll(() => {
    for (const [path, text] of Object.entries(CANARIES)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
  });
  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it('reports every kind of violation and nothing else', () => {
    expect(violations(tree)).toEqual(EXPECTED);
  });
});

function violations(cwd: string): string[] {
  const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = join(root, '.dependency-cruiser.mjs');
  // --output-type json exits 0 whatever it finds.
  const output = execFileSync(process.execPath, [cruiser, '--config', config, '-T', 'json', 'src', 'workers', 'test'], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const { summary } = JSON.parse(output) as {
    summary: { violations: { rule: { name: string }; from: string; to: string }[] };
  };
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort();
}
