/** Latency histograms in the kernel's memory (assembly/histogram.ts counts into them). */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  HISTOGRAM_BUCKETS,
  HISTOGRAM_COUNTS,
  HISTOGRAM_LAST,
  HISTOGRAM_MAX,
  HISTOGRAM_MIN,
  HISTOGRAM_RUN,
  HISTOGRAM_SUM,
  HISTOGRAM_WAITING,
} from '../kernel/layout.ts';
import { trimmedHistogram } from '../stats/histogram.ts';
import type { HistogramData } from '../stats/result.ts';

export class LatencyHistogram {
  readonly pointer: number;
  private readonly kernel: Kernel;
  private counts: Float64Array = new Float64Array(0);

  /** Of the record at `pointer`; `lay` gives it its buckets. */
  constructor(kernel: Kernel, pointer: number) {
    this.kernel = kernel;
    this.pointer = pointer;
  }

  lay(regions: Regions): this {
    const at = regions.take(8 * HISTOGRAM_BUCKETS, 8);
    this.counts = this.kernel.f64.subarray(at / 8, at / 8 + HISTOGRAM_BUCKETS);
    this.kernel.view.setUint32(this.pointer + HISTOGRAM_COUNTS, at, true);
    this.reset();
    return this;
  }

  private read(offset: number): number {
    return this.kernel.f64[(this.pointer + offset) / 8];
  }

  /** Sum of all values. */
  get sum(): number {
    this.kernel.exports.histogramFlush(this.pointer);
    return this.read(HISTOGRAM_SUM);
  }

  /** A copy without the empty buckets at the end. */
  data(): HistogramData {
    const { sum } = this; // counts what waits
    return trimmedHistogram(this.counts, sum, this.read(HISTOGRAM_MIN), this.read(HISTOGRAM_MAX));
  }

  reset(): void {
    const { view } = this.kernel;
    this.counts.fill(0);
    view.setUint32(this.pointer + HISTOGRAM_WAITING, 0, true);
    view.setFloat64(this.pointer + HISTOGRAM_LAST, -1, true);
    view.setFloat64(this.pointer + HISTOGRAM_RUN, 0, true);
    view.setFloat64(this.pointer + HISTOGRAM_SUM, 0, true);
    view.setFloat64(this.pointer + HISTOGRAM_MIN, Infinity, true);
    view.setFloat64(this.pointer + HISTOGRAM_MAX, -Infinity, true);
  }
}
