/** The IOTLB of a scenario: a preset's, with what the scenario says. */
import type { IotlbPart, IotlbSpec } from '../spec.ts';
import { NO_CACHE, type Preset } from './presets/preset.ts';
import { type Report, resolveCache } from './resolve-cache.ts';
import type { ResolveShared } from './resolve-partition.ts';
import type { MachineInput } from './schema.ts';

type IotlbInput = MachineInput['iotlb'];
const LEVELS = [1, 2] as const;
/** log2 of the leaves of a table level: nine bits each. */
const leafOf = (level: number): number => 12 + 9 * level;

export function resolveIotlb(
  base: Preset['machine']['iotlb'],
  input: IotlbInput,
  resolve: ResolveShared,
  report: Report,
): IotlbSpec {
  const leafLog2 = input?.leafLog2 ?? base.leafLog2;
  if (leafLog2.some((log2, i) => i > 0 && log2 <= leafLog2[i - 1])) {
    report('machine.iotlb.leafLog2', 'leaf sizes must ascend, such as [12, 21, 30]');
  } else if (leafLog2[0] !== 12) {
    report('machine.iotlb.leafLog2', 'the smallest leaf size must be 12 (4 KiB): smaller leaves could not be stored');
  }
  const split = resolveSplit(input, leafLog2, resolve, report);
  return {
    ...resolve('machine.iotlb', base, input),
    leafLog2,
    ...(split.length === 0 ? {} : { split }),
    fracture: input?.fracture ?? base.fracture,
    ...(input?.negative === true ? { negative: true } : {}),
    l1: resolveCache('machine.iotlb.l1', base.l1, input?.l1, report),
  };
}

/** The parts that have entries. */
function resolveSplit(
  input: IotlbInput,
  leafLog2: readonly number[],
  resolve: ResolveShared,
  report: Report,
): IotlbPart[] {
  return LEVELS.flatMap((level) => {
    const path = `machine.iotlb.split.level${level}`;
    const over = input?.split?.[`level${level}`];
    const part = resolve(path, NO_CACHE, over);
    if (part.entries === 0) return [];
    const end = level === LEVELS.at(-1) ? Infinity : leafOf(level + 1);
    if (!leafLog2.some((log2) => log2 >= leafOf(level) && log2 < end)) {
      report(
        path,
        `leafLog2 [${leafLog2.join(', ')}] has no leaf size of level ${level}; expected ${leafOf(level)} in it`,
      );
    }
    return [{ level, ...part }];
  });
}
