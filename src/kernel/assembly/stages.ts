// The two stages of a walk, and what both of them and their caches are known by.

import { UNIT_CLASSES, UNIT_CLASS_LOG2 } from '../layout';
import { unit } from './state';

/** Stage numbers of C_READS and UNIT_PWC: guest (first) and host (second, or the only one). */
export const GUEST: i32 = 0;
export const HOST: i32 = 1;

/** The host stage that guest tables' own addresses go through during a nested walk. */
export let hostRule: usize = 0;
export let hostLevels: i32 = 0;
export let hostRoot: u64 = 0;
export let hostSpace: u64 = 0;

export function setHostStage(rule: usize, levels: i32, root: u64, space: u64): void {
  hostRule = rule;
  hostLevels = levels;
  hostRoot = root;
  hostSpace = space;
}

/** The largest leaf class of the unit that is not larger than this leaf; the smallest if all are. Classes ascend. */
// @ts-ignore: decorator
@inline
export function classOf(sizeLog2: i32): i32 {
  return classAt(unit, sizeLog2);
}

// @ts-ignore: decorator
@inline
export function classAt(home: usize, sizeLog2: i32): i32 {
  const fit = i32x4.bitmask(i32x4.le_s(v128.load(home, UNIT_CLASS_LOG2), i32x4.splat(sizeLog2)));
  return 31 - <i32>clz(1 | (fit & ((1 << load<i32>(home, UNIT_CLASSES)) - 1)));
}
