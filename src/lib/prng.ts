/**
 * Random streams: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021), whose
 * 32-bit operations are exact with Math.imul, seeded by SplitMix64 as its authors advise.
 *
 * A stream is a pure function of (seed, stream): adding a device never changes another device's numbers.
 */
const TWO_32 = 4294967296;
const TWO_21 = 2097152;
const PER_2_32 = 1 / TWO_32;
const PER_2_53 = 1 / 9007199254740992;
const MASK_64 = 0xffffffffffffffffn;

export class Prng {
  // Four int32 fields, not a typed array: V8 keeps them as small integers in the object, without bounds checks.
  private s0: number;
  private s1: number;
  private s2: number;
  private s3: number;

  /** `seed` and `stream` are integers in 0 … 2^53 - 1. */
  constructor(seed: number, stream: number) {
    const first = mix64(mix64(BigInt(seed)) + BigInt(stream) + GOLDEN);
    const second = mix64(mix64(BigInt(seed)) + BigInt(stream) + 2n * GOLDEN);
    this.s0 = Number(BigInt.asIntN(32, first));
    this.s1 = Number(BigInt.asIntN(32, first >> 32n));
    this.s2 = Number(BigInt.asIntN(32, second));
    this.s3 = Number(BigInt.asIntN(32, second >> 32n));
    if ((this.s0 | this.s1 | this.s2 | this.s3) === 0) this.s0 = 1; // all zero is the one state that never leaves itself
  }

  /** A generator in exactly this state (four 32-bit words, not all zero). */
  static fromState(s0: number, s1: number, s2: number, s3: number): Prng {
    const prng = new Prng(0, 0);
    prng.s0 = s0 | 0;
    prng.s1 = s1 | 0;
    prng.s2 = s2 | 0;
    prng.s3 = s3 | 0;
    return prng;
  }

  /** The four words of the state, which `fromState` takes. */
  get state(): readonly number[] {
    return [this.s0, this.s1, this.s2, this.s3];
  }

  /** Uniform integer in 0 … 2^32 - 1. */
  nextU32(): number {
    const s1 = this.s1;
    const scrambled = Math.imul(s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const s2 = this.s2 ^ this.s0;
    const s3 = this.s3 ^ s1;
    this.s1 = s1 ^ s2;
    this.s0 ^= s3;
    this.s2 = s2 ^ (s1 << 9);
    this.s3 = (s3 << 11) | (s3 >>> 21);
    return result >>> 0;
  }

  /** Uniform integer in 0 … 2^53 - 1. */
  next53(): number {
    const high = this.nextU32() >>> 11;
    return high * TWO_32 + this.nextU32();
  }

  /** Uniform multiple of 2^-53 in [0, 1). */
  nextFloat(): number {
    return this.next53() * PER_2_53;
  }

  /** True with probability threshold / 2^32 (threshold = fraction × 2^32, an integer in 0 … 2^32). */
  chance(threshold: number): boolean {
    return this.nextU32() < threshold;
  }

  /**
   * Uniform integer in 0 … n - 1 without bias, 1 ≤ n ≤ 2^53. Up to 2^21 by Lemire's multiplication, whose product is
   * exact in a double; above by rejection of masked bits.
   */
  below(n: number): number {
    if (n > TWO_21) return this.belowLarge(n);
    const product = this.nextU32() * n;
    const high = (product * PER_2_32) | 0;
    if (product - high * TWO_32 < n) return this.belowUnlikely(n, product);
    return high;
  }

  private belowUnlikely(n: number, product: number): number {
    const threshold = TWO_32 % n;
    let draw = product;
    for (;;) {
      const high = (draw * PER_2_32) | 0;
      if (draw - high * TWO_32 >= threshold) return high;
      draw = this.nextU32() * n;
    }
  }

  private belowLarge(n: number): number {
    if (n <= TWO_32) {
      const shift = Math.clz32(n - 1);
      for (;;) {
        const draw = this.nextU32() >>> shift;
        if (draw < n) return draw;
      }
    }
    const shift = Math.clz32(Math.floor((n - 1) / TWO_32));
    for (;;) {
      const draw = (this.nextU32() >>> shift) * TWO_32 + this.nextU32();
      if (draw < n) return draw;
    }
  }
}

const GOLDEN = 0x9e3779b97f4a7c15n;

/** SplitMix64's output function (Steele, Lea and Flood 2014; Vigna's splitmix64.c). */
function mix64(value: bigint): bigint {
  let z = value & MASK_64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
  return z ^ (z >> 31n);
}
