/** What one direction of a NIC offers to the device that combines them, and the sizes that both directions share. */
import { PAGE_BYTES } from '../../request.ts';
import type { DeviceSpec, NicTraffic } from '../../spec.ts';
import type { Prng } from '../../lib/prng.ts';
import type { Burst } from '../device.ts';
import type { Mapper } from '../mapper.ts';
import type { ArrivalsSpec } from './arrivals.ts';
import { maxRequests } from '../transfer.ts';

/** What is offered to one of the NIC's queues, and its flows. */
export function queueLoad(traffic: NicTraffic, device: DeviceSpec): ArrivalsSpec {
  const { mtuBytes, burstPackets, offeredGbps, queues } = traffic;
  const flows = Math.max(1, Math.round(traffic.flows / queues));
  return { gbps: offeredGbps / queues, lineGbps: device.link.gbps, mtuBytes, burstPackets, flows };
}

export interface NicQueue {
  readonly operations: number;
  readonly drops: number;
  start(): void;
  /** When the device has something to issue; Infinity = not before software or a completion. */
  deviceAt(nowPs: number): number;
  /** Fills the burst with what is due; returns a token for `done`, an integer below 2^31. */
  fill(nowPs: number, burst: Burst): number;
  /** Returns whether the device, not only software, may go on when that is done. */
  done(token: number, donePs: number, faulted: boolean): boolean;
  softwareAt(): number;
  software(nowPs: number): void;
}

export interface QueueContext {
  readonly traffic: NicTraffic;
  readonly device: DeviceSpec;
  /** On the core that serves the queue, and on the one that handles transmit completions. */
  readonly mapper: Mapper;
  readonly completionMapper: Mapper;
  readonly rng: Prng;
  /** CPU work of one packet outside the DMA API. */
  readonly packetNs: number;
}

/** Most requests of one burst of either direction. */
export function burstCapacity(traffic: NicTraffic, device: DeviceSpec): number {
  const { maxPayloadBytes, maxReadRequestBytes } = device.link;
  const limit = Math.min(maxPayloadBytes, maxReadRequestBytes, PAGE_BYTES);
  const buffers = Math.ceil(traffic.mtuBytes / traffic.bufferBytes);
  const packet = maxRequests(traffic.mtuBytes, limit) + 2 * buffers + maxRequests(traffic.completionBytes, limit);
  return Math.max(packet, maxRequests(traffic.descriptorBatch * traffic.descriptorBytes, limit));
}

/** Tokens: what the burst was, in the lowest two bits. */
export const TOKEN_FETCH = 0;
export const TOKEN_DATA = 1;
export const TOKEN_COMPLETION = 2;
