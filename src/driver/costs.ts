/** CPU time of the kernel's steps as the model takes it. */
import type { OsCosts } from '../spec.ts';

/** OsCosts in integer ps. */
export interface CostsPs {
  readonly alloc: number;
  readonly allocSlow: number;
  readonly free: number;
  readonly map: number;
  readonly mapPage: number;
  readonly unmap: number;
  readonly unmapPage: number;
  readonly submit: number;
  readonly poll: number;
  readonly handoff: number;
}

export function costsPs(costs: OsCosts): CostsPs {
  const ps = (ns: number): number => Math.round(ns * 1000);
  return {
    alloc: ps(costs.iovaAllocNs),
    allocSlow: ps(costs.iovaAllocSlowNs),
    free: ps(costs.iovaFreeNs),
    map: ps(costs.mapNs),
    mapPage: ps(costs.mapPageNs),
    unmap: ps(costs.unmapNs),
    unmapPage: ps(costs.unmapPageNs),
    submit: ps(costs.invalidateSubmitNs),
    poll: ps(costs.completionPollNs),
    handoff: ps(costs.lockHandoffNs),
  };
}
