/** The short tests of a walk's step records (STEP_GO_*, STEP_LEAF_*) against what the level records say in full, for every format. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeRule } from '../../../src/iommu/formats/compile.ts';
import type { TableGeometry } from '../../../src/iommu/formats/format.ts';
import { FORMATS } from '../../../src/iommu/formats/index.ts';
import * as L from '../../../src/kernel/layout.ts';

const ALL_BITS = (1n << 64n) - 1n;
const entry = fc.oneof(
  fc.bigInt({ min: 0n, max: ALL_BITS }),
  // Few bits: what sparse masks look at is then often all there is.
  fc
    .array(fc.integer({ min: 0, max: 63 }), { maxLength: 8 })
    .map((bits) => bits.reduce((e, b) => e | (1n << BigInt(b)), 0n)),
);

/** What an entry of a level is, read off the geometry. */
function classify(geometry: TableGeometry, level: number, word: bigint): 'pointer' | 'leaf' | 'other' {
  const { leafMask, leafXor = 0n, reservedTable = 0n, reservedLeaf = 0n } = geometry.level(level);
  const next = Number((word >> 9n) & 7n);
  const isLeaf = geometry.nextLevel ? next === 0 || next === 7 : ((word ^ leafXor) & leafMask) !== 0n;
  if (!isLeaf) {
    const goesDown = level > 0 && (!geometry.nextLevel || next === level);
    return goesDown && (word & reservedTable) === 0n ? 'pointer' : 'other';
  }
  const { contiguous } = geometry;
  const isSpread = contiguous !== undefined && (word & contiguous.mask) === contiguous.value;
  return isSpread || (word & reservedLeaf) !== 0n ? 'other' : 'leaf';
}

describe('step records', () => {
  const cases = FORMATS.flatMap((format) =>
    format.configurations.map(
      (config) => [`${format.name} ${Object.values(config).join(' ')}`, format.geometry(config)] as const,
    ),
  );
  it.each(cases)('%s: the short tests are never wrong', (_, geometry) => {
    const view = new DataView(new ArrayBuffer(L.RULE_BYTES));
    writeRule(view, 0, geometry);
    const levels = geometry.grows ? L.RULE_LEVELS_MAX : geometry.levels;
    const met = { pointer: 0, leaf: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: levels - 1 }), entry, (level, word) => {
        const at = L.RULE_STEPS + (level << L.STEP_LOG2);
        const passes = (mask: number, value: number): boolean =>
          (word & view.getBigUint64(at + mask, true)) === view.getBigUint64(at + value, true);
        const kind = classify(geometry, level, word);
        if (passes(L.STEP_GO_MASK, L.STEP_GO_VALUE)) {
          expect(kind).toBe('pointer');
          met.pointer++;
        } else if (passes(L.STEP_LEAF_MASK, L.STEP_LEAF_VALUE)) {
          expect(kind).toBe('leaf');
          met.leaf++;
        }
      }),
      { numRuns: 300 },
    );
    expect(met.pointer + met.leaf).toBeGreaterThan(0);
  });
});
