// The randomness of one cache.

import { CACHE_SEED } from '../layout';

/** 0 … below - 1: xorshift32 (Marsaglia 2003), its high bits scaled by a product. */
export function random(cache: usize, below: u32): u32 {
  let x = load<u32>(cache, CACHE_SEED);
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  store<u32>(cache, x, CACHE_SEED);
  return <u32>((<u64>x * <u64>below) >> 32);
}
