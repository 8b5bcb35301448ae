/**
 * Buckets of depths for parts of a curve (each leaf size, each tenant), of which there may be thousands: every depth up to 256
 * has its own, above there are 128 for each doubling. Hits are exact at the upper bound of a bucket; those `exactAt` are some.
 */
const EXACT = 256;
const STEPS_LOG2 = 7;

export class DepthGrid {
  /** Bucket of each depth; [0] (not held) is bucket 0. */
  bucketOf = Int32Array.of(0);
  /** Last depth of each bucket. */
  readonly bounds: number[] = [0];
  private readonly exactAt: readonly number[];

  constructor(exactAt: readonly number[]) {
    this.exactAt = exactAt;
    this.reach(EXACT);
  }

  /** Makes `bucketOf` reach up to a depth. */
  reach(depth: number): void {
    let { length } = this.bucketOf;
    while (length <= depth) length *= 2;
    const buckets = new Int32Array(length);
    buckets.set(this.bucketOf);
    let bucket = this.bounds.length - 1;
    for (let at = this.bucketOf.length; at < length; at++) {
      if (this.ends(at - 1)) bucket++;
      buckets[at] = bucket;
      this.bounds[bucket] = at;
    }
    this.bucketOf = buckets;
  }

  /** Whether a bucket ends with this depth. */
  private ends(depth: number): boolean {
    if (depth <= EXACT || this.exactAt.includes(depth)) return true;
    const step = 1 << (31 - Math.clz32(depth) - STEPS_LOG2);
    return (depth & (step - 1)) === 0;
  }
}
