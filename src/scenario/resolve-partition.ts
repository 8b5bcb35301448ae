/** A cache that tenants share, with what each has of it for itself. */
import { many } from '../lib/many.ts';
import type { CacheSpec, PartitionSpec } from '../spec.ts';
import type { PresetCache } from './presets/preset.ts';
import { didYouMean } from './problem.ts';
import { type Report, resolveCache } from './resolve-cache.ts';
import type { SharedCacheInput } from './schema.ts';
import { show } from './units.ts';

/** Tenants of the scenario in their order, and how many copies there are of each. */
export type TenantCopies = readonly { readonly name: string; readonly count: number }[];
/** One such cache at a path: a preset's, with what the scenario says. */
export type ResolveShared = (path: string, base: PresetCache, over: SharedCacheInput | undefined) => CacheSpec;

export function resolveSharedCache(
  path: string,
  base: PresetCache,
  over: SharedCacheInput | undefined,
  tenants: TenantCopies,
  report: Report,
): CacheSpec {
  const cache = resolveCache(path, base, over, report);
  if (over?.partition === undefined || cache.entries === 0) return cache;
  const { by = 'ways', minimum = {} } = over.partition;
  checkNames(`${path}.partition.minimum`, minimum, tenants, report);
  checkShares(`${path}.partition`, by, minimum, cache, tenants, report);
  const own = tenants.flatMap(({ name, count }) => new Array<number>(count).fill(minimum[name] ?? 0));
  return own.every((share) => share === 0) ? cache : { ...cache, partition: { by, minimum: own } };
}

type Minimum = Readonly<Record<string, number>>;

function checkNames(path: string, minimum: Minimum, tenants: TenantCopies, report: Report): void {
  const names = tenants.map(({ name }) => name);
  for (const name of Object.keys(minimum)) {
    if (names.includes(name)) continue;
    const hint = didYouMean(name, names) || `; expected one of ${names.join(', ')}`;
    report(`${path}.${name}`, `there is no tenant ${show(name)}${hint}`);
  }
}

function checkShares(
  path: string,
  by: PartitionSpec['by'],
  minimum: Minimum,
  { entries, ways }: CacheSpec,
  tenants: TenantCopies,
  report: Report,
): void {
  const total = by === 'ways' ? ways : Math.floor(entries / ways);
  const shares = tenants.map(({ name, count }) => ({ name, count, each: minimum[name] ?? 0 }));
  const taken = shares.reduce((sum, { count, each }) => sum + count * each, 0);
  const what = by === 'ways' ? `a set has ${many(total, 'way')}` : `the cache has ${many(total, 'set')}`;
  if (taken > total) {
    const parts = shares.filter(({ each }) => each > 0).map(({ name, count, each }) => `${name} ${count} x ${each}`);
    const other = by === 'ways' ? 'sets' : 'ways';
    report(
      `${path}.minimum`,
      `the tenants want ${taken} ${by} for themselves (${parts.join(', ')}), but ${what}; expected less, a larger cache, or by: ${other}`,
    );
  } else if (taken === total) {
    const without = shares.find(({ each }) => each === 0);
    if (without === undefined) return;
    report(
      `${path}.minimum`,
      `all ${total} ${by} are taken, so that tenant ${show(without.name)} has none; expected a minimum for it, or at most ${total - 1} for the others`,
    );
  }
}
