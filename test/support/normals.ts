/** Standard normal numbers that depend on their arguments alone. */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

export function normals(salt: number): (a: number, b: number) => number {
  return (a, b) => {
    const generator = xoroshiro128plus((Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ salt) | 0);
    for (let i = 0; i < 8; i++) generator.next();
    let sum = 0;
    // Twelve uniform numbers have the variance 1 (Irwin and Hall).
    for (let i = 0; i < 12; i++) sum += (generator.next() >>> 0) / 2 ** 32;
    return sum - 6;
  };
}
