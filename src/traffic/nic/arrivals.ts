/** When packets are offered: flows that each send bursts of packets at a steady rate, with random phases, on one wire. */
import type { Prng } from '../../lib/prng.ts';

/** Preamble, start delimiter, Ethernet header, FCS and inter-frame gap (IEEE 802.3) around one MTU-sized packet. */
export const WIRE_OVERHEAD_BYTES = 38;

export interface ArrivalsSpec {
  /** Offered in this direction, wire overhead included; 0 = always one more packet waiting. */
  readonly gbps: number;
  /** Speed at which the packets of one burst follow each other; at least `gbps`. */
  readonly lineGbps: number;
  readonly mtuBytes: number;
  readonly flows: number;
  readonly burstPackets: number;
}

/**
 * Every flow sends a burst each flows × burstPackets mean intervals, at its own phase: the superposition is periodic for
 * one flow and close to a Poisson process of bursts for many.
 */
export class Arrivals {
  private readonly saturated: boolean;
  private readonly periodPs: number;
  private readonly spacingPs: number;
  private readonly burstPackets: number;
  private readonly phases: Float64Array;
  private flow = 0;
  private cycle = 0;
  private inBurst = 0;
  private atPs: number;

  constructor(spec: ArrivalsSpec, rng: Prng) {
    const wireBits = (spec.mtuBytes + WIRE_OVERHEAD_BYTES) * 8;
    this.saturated = spec.gbps === 0;
    this.burstPackets = Math.max(1, spec.burstPackets);
    const flows = this.saturated ? 1 : Math.max(1, spec.flows);
    this.periodPs = this.saturated ? 0 : (flows * this.burstPackets * wireBits * 1000) / spec.gbps;
    this.spacingPs = (wireBits * 1000) / Math.max(spec.gbps, spec.lineGbps);
    this.phases = new Float64Array(flows);
    for (let i = 0; i < flows; i++) this.phases[i] = rng.nextFloat() * this.periodPs;
    this.phases.sort();
    this.atPs = this.phases[0]!;
  }

  /** When the next packet is there, integer ps; 0 when packets always wait. */
  nextPs(): number {
    return Math.round(this.atPs);
  }

  /** Goes on to the packet after it. */
  advance(): void {
    if (this.saturated) return;
    const wirePs = this.atPs + this.spacingPs;
    if (++this.inBurst < this.burstPackets) {
      this.atPs = wirePs;
      return;
    }
    this.inBurst = 0;
    if (++this.flow === this.phases.length) {
      this.flow = 0;
      this.cycle++;
    }
    // Bursts of different flows that fall together follow each other on the wire.
    this.atPs = Math.max(wirePs, this.cycle * this.periodPs + this.phases[this.flow]);
  }
}
