/** Samples of a unit's devices at fixed intervals of counted time. */
import { C_HITS, C_MISSES } from '../kernel/layout.ts';
import type { TimelineRow } from '../stats/result.ts';
import type { UnitSystem } from './unit-system.ts';

/** Sums of one device since counting began. */
interface Sums {
  requests: number;
  bytes: number;
  iotlbHits: number;
  iotlbMisses: number;
  translationPs: number;
}

const ZERO: Sums = { requests: 0, bytes: 0, iotlbHits: 0, iotlbMisses: 0, translationPs: 0 };

export class Timeline {
  readonly rows: TimelineRow[] = [];
  /** When the next sample is due. */
  nextPs = Infinity;
  private readonly unit: UnitSystem;
  private readonly intervalPs: number;
  private startPs = 0;
  private last: Sums[] = [];

  /** `intervalPs` 0: no samples. */
  constructor(unit: UnitSystem, intervalPs: number) {
    this.unit = unit;
    this.intervalPs = intervalPs;
  }

  /** Counting begins at `nowPs`, from zero. */
  begin(nowPs: number): void {
    this.rows.length = 0;
    this.startPs = nowPs;
    this.nextPs = this.intervalPs > 0 ? nowPs + this.intervalPs : Infinity;
    this.last = this.unit.devices.map(() => ZERO);
  }

  /** One row a device for the time since the last sample; `timePs` in it is the end of that time, from the begin on. */
  sample(nowPs: number): void {
    this.unit.devices.forEach((device, d) => {
      const now = this.sums(d);
      const before = this.last[d];
      this.last[d] = now;
      this.rows.push({
        timePs: nowPs - this.startPs,
        device: device.plan.spec.index,
        requests: now.requests - before.requests,
        bytes: now.bytes - before.bytes,
        iotlbHits: now.iotlbHits - before.iotlbHits,
        iotlbMisses: now.iotlbMisses - before.iotlbMisses,
        translationPs: now.translationPs - before.translationPs,
      });
    });
    this.nextPs += this.intervalPs;
  }

  /** The last, shorter interval, if anything happened in it or time passed. */
  end(nowPs: number): void {
    const isPartial = this.nextPs < Infinity && nowPs > this.nextPs - this.intervalPs;
    if (isPartial) this.sample(nowPs);
    this.nextPs = Infinity;
  }

  private sums(d: number): Sums {
    const port = this.unit.engine.ports[d];
    const counters = this.unit.iommu.counters(this.unit.devices[d].ctx);
    return {
      requests: port.reads + port.writes,
      bytes: port.readBytes + port.writeBytes,
      iotlbHits: counters[C_HITS] + counters[C_HITS + 1] + counters[C_HITS + 2] + counters[C_HITS + 3],
      iotlbMisses: counters[C_MISSES],
      translationPs: port.translation.sum,
    };
  }
}
