/**
 * Slow, obvious page-table reader: bigint, one entry at a time, straight from a format's declaration. It shares no code with
 * the kernel's walker or with table-dump.ts.
 */
import type { TableGeometry } from '../../src/iommu/formats/format.ts';

export interface Translation {
  readonly pa: bigint;
  readonly sizeLog2: number;
  readonly read: boolean;
  readonly write: boolean;
  /** Addresses and values of the entries on the way, root first. */
  readonly steps: readonly { readonly level: number; readonly address: bigint; readonly entry: bigint }[];
}

export type ReadWord = (address: bigint) => bigint;

/** Null: no translation. */
export function referenceWalk(
  geometry: TableGeometry,
  readWord: ReadWord,
  root: bigint,
  levels: number,
  iova: bigint,
): Translation | null {
  const steps: Translation['steps'][number][] = [];
  let table = root;
  let level = levels - 1;
  let read = true;
  let write = true;
  for (;;) {
    const shift = BigInt(geometry.granuleLog2 + level * geometry.indexBits);
    const top = level === levels - 1 && !geometry.grows ? geometry.rootIndexBits : geometry.indexBits;
    const index = (iova >> shift) % (1n << BigInt(Math.min(top, 64 - Number(shift))));
    const address = table + 8n * index;
    const entry = readWord(address);
    steps.push({ level, address, entry });
    if ((entry & geometry.present) === 0n) return null;
    const leaf = leafAt(geometry, level, entry);
    const bits = (entry ^ geometry.permissionXor) | (leaf ? 0n : (geometry.level(level).unrestricted ?? 0n));
    read &&= (bits & geometry.read) === geometry.read;
    write &&= (bits & geometry.write) === geometry.write;
    const pointer = addressIn(geometry, entry);
    if (leaf) {
      const sizeLog2 = sizeOf(geometry, level, entry, pointer);
      const size = 1n << BigInt(sizeLog2);
      return { pa: (pointer / size) * size + (iova % size), sizeLog2, read, write, steps };
    }
    if (level === 0) return null;
    table = pointer;
    level = geometry.nextLevel ? Number((entry / 512n) % 8n) - 1 : level - 1;
  }
}

function addressIn(geometry: TableGeometry, entry: bigint): bigint {
  const low = (entry & geometry.address.mask) * 2n ** BigInt(geometry.address.shift);
  const { addressHigh } = geometry;
  return addressHigh === undefined ? low : low + (entry & addressHigh.mask) * 2n ** BigInt(addressHigh.shift);
}

function leafAt(geometry: TableGeometry, level: number, entry: bigint): boolean {
  if (geometry.nextLevel) return [0n, 7n].includes((entry / 512n) % 8n);
  const { leafXor = 0n, leafMask } = geometry.level(level);
  return ((entry ^ leafXor) & leafMask) !== 0n;
}

function sizeOf(geometry: TableGeometry, level: number, entry: bigint, pointer: bigint): number {
  const natural = geometry.granuleLog2 + level * geometry.indexBits;
  const { contiguous } = geometry;
  if (contiguous === undefined || (entry & contiguous.mask) !== contiguous.value) return natural;
  const digits = (pointer / 4096n).toString(2).split('').reverse().join('');
  const run = digits.indexOf(contiguous.code === 'ones' ? '0' : '1');
  return 13 + (run < 0 ? digits.length : run);
}
