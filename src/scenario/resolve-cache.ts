/** One cache of a scenario: a preset's, or a default, with what the scenario says. */
import type { CacheSpec } from '../spec.ts';
import type { PresetCache } from './presets/preset.ts';
import type { CacheInput } from './schema.ts';

/** `base` with the values that `over` has. */
export function merge<T extends object>(base: T, over: { readonly [K in keyof T]?: T[K] | undefined } | undefined): T {
  const given = Object.entries(over ?? {}).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(given) };
}

/** Takes a problem at a path of the scenario. */
export type Report = (path: string, message: string) => void;

export function resolveCache(path: string, base: PresetCache, over: CacheInput | undefined, report: Report): CacheSpec {
  const {
    entries,
    ways: wanted,
    replacement,
    index,
  } = merge(
    { entries: base.entries, ways: base.ways, replacement: base.replacement, index: base.index },
    over && { entries: over.entries, ways: over.ways, replacement: over.replacement, index: over.index },
  );
  const ways = wanted === 'full' || entries === 0 ? Math.max(1, entries) : wanted;
  if (entries > 0 && entries % ways !== 0) {
    const place = over?.entries === undefined ? `${path}.ways` : `${path}.entries`;
    report(place, `${entries} entries cannot be divided into sets of ${ways} ways; expected a multiple, or ways: full`);
  }
  if (replacement === 'plru' && (ways & (ways - 1)) !== 0) {
    report(`${path}.replacement`, `plru needs a power of two of ways, not ${ways}`);
  }
  return { entries, ways, replacement, index };
}
