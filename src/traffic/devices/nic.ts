/**
 * A NIC: queue pairs with descriptor rings, buffers and completion queues in memory, each served by a core.
 *
 * All queues take turns at the link, and those that share a core at the core, while they have something to do. A core
 * handles one packet at a time. Left out: interrupt moderation (a core that is idle starts at the completion's time),
 * several descriptors for one transmitted packet, header splitting.
 */
import type { NicTraffic } from '../../spec.ts';
import { type Burst, type DeviceContext, type DeviceModel, NEVER } from '../device.ts';
import { burstCapacity, type NicQueue, type QueueContext } from '../nic/queue.ts';
import { RxQueue } from '../nic/rx.ts';
import { TxQueue } from '../nic/tx.ts';

class NicDevice implements DeviceModel {
  readonly burstCapacity: number;
  /** The rings limit what is in flight. */
  readonly outstandingBursts = Infinity;
  private readonly queues: readonly NicQueue[];
  private readonly receive: readonly RxQueue[];
  /** When the device itself wants to be asked again. */
  private wakePs = NEVER;
  private lastSent = 0;
  private lastServed = 0;

  constructor(traffic: NicTraffic, context: DeviceContext) {
    this.burstCapacity = burstCapacity(traffic, context.spec);
    const contexts = Array.from({ length: traffic.queues }, (_, queue) => queueContext(traffic, context, queue));
    this.receive = traffic.direction === 'tx' ? [] : contexts.map((each) => new RxQueue(each));
    const transmit = traffic.direction === 'rx' ? [] : contexts.map((each) => new TxQueue(each));
    this.queues = contexts
      .flatMap((_, queue) => [this.receive[queue], transmit[queue]])
      .filter((each) => each !== undefined);
  }

  get operations(): number {
    return this.queues.reduce((sum, queue) => sum + queue.operations, 0);
  }

  get drops(): number {
    return this.queues.reduce((sum, queue) => sum + queue.drops, 0);
  }

  start(): void {
    for (const queue of this.receive) queue.start();
    // All rings fill at the same time, page by page: drivers fill them from as many CPUs.
    while (this.receive.map((queue) => queue.postFirst()).includes(true));
    for (const queue of this.queues) if (queue instanceof TxQueue) queue.start();
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    const { queues } = this;
    this.wakePs = NEVER;
    for (let turn = 1; turn <= queues.length; turn++) {
      const index = (this.lastSent + turn) % queues.length;
      const atPs = queues[index].deviceAt(nowPs);
      if (atPs <= nowPs) return this.send(nowPs, burst, index);
      if (atPs < this.wakePs) this.wakePs = atPs;
    }
    return false;
  }

  burstDone(token: number, donePs: number, faulted: boolean): void {
    const { length } = this.queues;
    const mayGoOn = this.queues[token % length].done(Math.floor(token / length), donePs, faulted);
    if (mayGoOn && donePs < this.wakePs) this.wakePs = donePs;
  }

  softwareAt(): number {
    let atPs = this.wakePs;
    for (const queue of this.queues) atPs = Math.min(atPs, queue.softwareAt());
    return atPs;
  }

  software(nowPs: number): void {
    const { queues } = this;
    if (this.wakePs <= nowPs) this.wakePs = NEVER;
    for (let turn = 1; turn <= queues.length; turn++) {
      const index = (this.lastServed + turn) % queues.length;
      if (queues[index].softwareAt() > nowPs) continue;
      this.lastServed = index;
      return queues[index].software(nowPs);
    }
  }

  private send(nowPs: number, burst: Burst, index: number): boolean {
    this.wakePs = NEVER;
    this.lastSent = index;
    burst.count = 0;
    burst.earliestPs = nowPs;
    burst.token = this.queues[index].fill(nowPs, burst) * this.queues.length + index;
    return true;
  }
}

function queueContext(traffic: NicTraffic, context: DeviceContext, queue: number): QueueContext {
  const mapper = context.mapper.forQueue(queue);
  const completionMapper = traffic.completionCpu === 'same' ? mapper : context.mapper.forQueue(queue + 1);
  return { ...context, traffic, device: context.spec, mapper, completionMapper };
}

export const nic = (context: DeviceContext): DeviceModel => new NicDevice(context.spec.traffic as NicTraffic, context);
