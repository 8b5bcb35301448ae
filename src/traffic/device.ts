/**
 * Contract of a device model: a stream of DMA requests and the software that feeds it.
 *
 * The engine drives two actors for each device. The *DMA actor* asks `nextBurst` for requests and issues them one by
 * one under the device's link and outstanding limits; when the last request of a burst has been translated its completion
 * time is known, and `burstDone` is told (the time lies in the future, and later bursts may have been asked for already).
 * The *software actor* is the device's CPU core:
 * it runs `software` at `softwareAt`, in simulated-time order with all other actors, and there (and only there) maps and
 * unmaps. A model keeps no clock and no randomness but what it is given.
 */
import type { DeviceSpec, TenantSpec } from '../spec.ts';
import type { Prng } from '../lib/prng.ts';
import type { Mapper } from './mapper.ts';

/** A time that never comes. */
export const NEVER = Infinity;

/** Requests that belong together (one transfer, one packet, one descriptor fetch). Reused: the model overwrites it. */
export class Burst {
  count = 0;
  /** Earliest issue of the first request, ps. */
  earliestPs = 0;
  /** For the model's own use in burstDone. */
  token = 0;
  readonly page: Float64Array;
  readonly offset: Uint16Array;
  readonly lengthBytes: Uint32Array;
  readonly op: Uint8Array;

  constructor(capacity: number) {
    this.page = new Float64Array(capacity);
    this.offset = new Uint16Array(capacity);
    this.lengthBytes = new Uint32Array(capacity);
    this.op = new Uint8Array(capacity);
  }
}

/** Transfers at uniformly random places of a window, all reads of one length. */
export interface UniformPattern {
  /** Places: 1 … 2^21. */
  readonly slots: number;
  readonly slotsPerPageLog2: number;
  readonly firstPage: number;
  readonly lengthBytes: number;
  /** State of the model's random stream (Prng.state), from which the kernel draws on. */
  readonly random: readonly number[];
}

export interface DeviceModel {
  /** Most requests one burst can have. */
  readonly burstCapacity: number;
  /** Transfers in flight at most, counted in bursts (closed loop); Infinity = only the link's tags limit. */
  readonly outstandingBursts: number;
  /**
   * True: what nextBurst gives does not depend on software, nor on `nowPs` but as `earliestPs`. The engine then asks as
   * soon as it knows that time, which may still lie ahead, and counts the bursts itself instead of calling burstDone: that
   * saves an event a burst.
   */
  readonly asksAhead?: boolean;
  /**
   * True, of a model that asks ahead: every burst is one read, all of one length, at no earliest time, and there is always
   * another. The engine then needs not look for what else could happen.
   */
  readonly plainReads?: boolean;
  /** Where such reads go, if that is a pattern that the kernel can draw by itself. Asked once, after `start`. */
  pattern?(): UniformPattern | undefined;
  /** Maps what stays mapped for the whole run (windows, rings, static buffers). Called once, at time 0. */
  start(): void;
  /**
   * Fills `burst`, at least one request; false = nothing to send now: the engine asks again after `software` has run.
   * May change `softwareAt`: a device that only waits for its own next event asks to be called then.
   */
  nextBurst(nowPs: number, burst: Burst): boolean;
  /** The burst with this token is complete at `donePs` (≥ now). `faulted`: some request of it was aborted. */
  burstDone(token: number, donePs: number, faulted: boolean): void;
  /** When `software` is to be called next, ps; NEVER = not needed. May change in nextBurst, burstDone and software. */
  softwareAt(): number;
  /** Does one piece of the core's work: as little as may be interleaved with other cores (one packet, one unmap). */
  software(nowPs: number): void;
  /** Operations completed (packets, trace rows). Models that ask ahead leave 0: the engine counts their bursts. */
  readonly operations: number;
  /** Operations lost because the model had no room for them (packets that arrived without a descriptor). */
  readonly drops?: number;
}

/** What a model is built from. */
export interface DeviceContext {
  readonly spec: DeviceSpec;
  /** Whose devices may share its domain. */
  readonly tenant: Pick<TenantSpec, 'devices'>;
  readonly rng: Prng;
  readonly mapper: Mapper;
  /** CPU work of one packet outside the DMA API (OsCosts.packetNs). */
  readonly packetNs: number;
}
export type DeviceFactory = (context: DeviceContext) => DeviceModel;
