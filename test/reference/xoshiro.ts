/** xoshiro128** 1.1 and SplitMix64 as their authors publish them in C, on bigints. */
const U32 = 0xffffffffn;
const U64 = 0xffffffffffffffffn;

export class ReferenceXoshiro {
  s: [bigint, bigint, bigint, bigint];

  constructor(s0: bigint, s1: bigint, s2: bigint, s3: bigint) {
    this.s = [s0 & U32, s1 & U32, s2 & U32, s3 & U32];
  }

  next(): number {
    const s = this.s;
    const result = (rotl((s[1] * 5n) & U32, 7n) * 9n) & U32;
    const t = (s[1] << 9n) & U32;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11n);
    return Number(result);
  }
}

function rotl(x: bigint, k: bigint): bigint {
  return ((x << k) | (x >> (32n - k))) & U32;
}

/** The SplitMix64 generator: state in, [output, next state] out. */
export function splitMix64(state: bigint): [bigint, bigint] {
  const next = (state + 0x9e3779b97f4a7c15n) & U64;
  let z = next;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & U64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & U64;
  return [z ^ (z >> 31n), next];
}
