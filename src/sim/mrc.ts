/**
 * Records the IOTLB references of a run for miss-ratio curves: stands between the engine and the kernel's `translate`, and
 * sees from the kernel's memory what each request came to. Runs that ask for no curves do not come here.
 */
import type { Kernel, KernelExports } from '../kernel/kernel.ts';
import {
  C_LOOKUPS,
  C_UNTRANSLATED,
  CACHE_FILLS,
  CTX_CLASS,
  CTX_COUNTERS,
  CTX_INDEX,
  CTX_L1,
  CTX_PASID,
  FAULT_READ,
  FAULT_WRITE,
} from '../kernel/layout.ts';
import { PAGE_LOG2 } from '../request.ts';
import { isNested, type MrcSpec, type RunSpec } from '../spec.ts';
import { MrcAnalysis } from '../stats/mrc/analysis.ts';
import type { UnitCurves } from '../stats/mrc/curve.ts';
import type { UnitPlan } from './memory-plan.ts';
import { HOST_FORMAT } from './table-rules.ts';

/** A requester context: where its counts lie, and its address space in the analysis. */
interface Requester {
  readonly space: number;
  /** Indexes into the kernel's f64. */
  readonly lookups: number;
  readonly untranslated: number;
  /** Fills of its first-level IOTLB; -1: it has none. */
  readonly upperFills: number;
  /** Index into the kernel's i32: leaf class of its last hit, where the kernel remembers it. */
  readonly lastClass: number;
}

export class MrcTap {
  readonly translate: KernelExports['translate'];
  private readonly analysis: MrcAnalysis;
  private readonly kernel: Kernel;
  private readonly spec: RunSpec;
  private readonly plan: UnitPlan;
  private readonly leafLog2: readonly number[];
  private readonly requesters = new Map<number, Requester>();
  /** Address spaces by domain: PASID (-1: the host's addresses) → number in the analysis. */
  private readonly spaces = new Map<number, Map<number, number>>();

  /** Commands of this unit are seen from now on: the kernel's exports are replaced by ones that tell. */
  constructor(kernel: Kernel, spec: RunSpec, plan: UnitPlan, mrc: MrcSpec) {
    const { leafLog2, index } = spec.machine.iotlb;
    this.kernel = kernel;
    this.spec = spec;
    this.plan = plan;
    this.leafLog2 = leafLog2;
    this.analysis = new MrcAnalysis({
      unit: plan.unit,
      classPagesLog2: leafLog2.map((log2) => log2 - PAGE_LOG2),
      tenants: spec.tenants.length,
      sampleKeys: mrc.sampleKeys,
      exactAt: spec.machine.iotlb.entries,
      setCounts: index === 'hash' ? [] : mrc.setCounts,
      ways: mrc.ways,
      index: index === 'shifted' ? 'shifted' : 'modulo',
    });
    this.translate = this.recorder(kernel.exports.translate);
  }

  /** Tells the analysis of the commands that take effect at the unit whose record lies at `unit`. */
  watchCommands(unit: number): void {
    const { exports } = this.kernel;
    const invalidatePages: KernelExports['invalidatePages'] = (target, domain, pasid, page, pagesLog2, pde) => {
      if (target === unit) this.invalidated(domain, pasid, page, pagesLog2);
      return exports.invalidatePages(target, domain, pasid, page, pagesLog2, pde);
    };
    const invalidateAll: KernelExports['invalidateAll'] = (target) => {
      if (target === unit) for (const domain of this.spaces.keys()) this.invalidated(domain, -1, 0, ALL_LOG2);
      return exports.invalidateAll(target);
    };
    Object.assign(this.kernel, { exports: { ...exports, invalidatePages, invalidateAll } });
  }

  /** Counts anew: warm-up is over. */
  begin(): void {
    this.analysis.reset();
  }

  curves(): UnitCurves {
    return this.analysis.result();
  }

  /** The kernel's translate, with a look at the counts before and after. */
  private recorder(translate: KernelExports['translate']): KernelExports['translate'] {
    const { f64 } = this.kernel;
    let lastCtx = -1;
    let requester: Requester = NOBODY;
    return (ctx, page, access, atPs) => {
      if (ctx !== lastCtx) {
        lastCtx = ctx;
        requester = this.requesters.get(ctx) ?? this.meet(ctx);
      }
      const { upperFills } = requester;
      const lookups = f64[requester.lookups];
      const untranslated = f64[requester.untranslated];
      const fills = upperFills < 0 ? 0 : f64[upperFills];
      const done = translate(ctx, page, access, atPs);
      if (f64[requester.lookups] !== lookups) {
        const passedUpper = upperFills < 0 || f64[upperFills] !== fills;
        this.lookedUp(requester.space, page, done, passedUpper);
      } else if (done >= 0 && f64[requester.untranslated] === untranslated) {
        // The kernel's short way: a hit of the class that it hit last, counted elsewhere.
        this.analysis.reference(requester.space, this.kernel.i32[requester.lastClass], page);
      }
      return done;
    };
  }

  /** A lookup of the general way. Permission is looked at when the entry is there; all other faults leave none. */
  private lookedUp(space: number, page: number, done: number, passedUpper: boolean): void {
    const { exports } = this.kernel;
    if (done < 0) {
      const fault = exports.lastFault();
      if (fault !== FAULT_READ && fault !== FAULT_WRITE) {
        this.analysis.unfilled(space);
        return;
      }
    }
    const leaf = this.classOf(exports.lastSizeLog2());
    if (passedUpper) this.analysis.reference(space, leaf, page);
    else this.analysis.upperHit(space, leaf);
  }

  /** A leaf of another size is held as the next smaller class. */
  private classOf(sizeLog2: number): number {
    let leaf = this.leafLog2.length - 1;
    while (leaf > 0 && this.leafLog2[leaf] > sizeLog2) leaf--;
    return leaf;
  }

  private meet(ctx: number): Requester {
    const { i32 } = this.kernel;
    const index = i32[(ctx + CTX_INDEX) / 4];
    const device = this.plan.devices.find((each) => each.spec.index === index)!;
    const { mode, host } = this.spec.tenants[device.tenant];
    const guest = isNested(mode) || host.format !== HOST_FORMAT;
    const pasid = guest ? Math.max(0, i32[(ctx + CTX_PASID) / 4]) : -1;
    const upper = i32[(ctx + CTX_L1) / 4];
    const requester: Requester = {
      space: this.spaceOf(device.domain, pasid, device.tenant),
      lookups: (ctx + CTX_COUNTERS) / 8 + C_LOOKUPS,
      untranslated: (ctx + CTX_COUNTERS) / 8 + C_UNTRANSLATED,
      upperFills: upper === 0 ? -1 : (upper + CACHE_FILLS) / 8,
      lastClass: (ctx + CTX_CLASS) / 4,
    };
    this.requesters.set(ctx, requester);
    return requester;
  }

  private spaceOf(domain: number, pasid: number, tenant: number): number {
    let byPasid = this.spaces.get(domain);
    if (byPasid === undefined) this.spaces.set(domain, (byPasid = new Map()));
    let space = byPasid.get(pasid);
    if (space === undefined) byPasid.set(pasid, (space = this.analysis.openSpace(tenant)));
    return space;
  }

  /** As the kernel does it: a command for host addresses drops all of the domain's guest translations. */
  private invalidated(domain: number, pasid: number, page: number, pagesLog2: number): void {
    for (const [each, space] of this.spaces.get(domain) ?? []) {
      if (each === pasid) this.analysis.invalidate(space, page, pagesLog2);
      else if (pasid < 0) this.analysis.invalidate(space, 0, ALL_LOG2);
    }
  }
}

/** log2 of the pages of a whole address space. */
const ALL_LOG2 = 52;
const NOBODY: Requester = { space: 0, lookups: 0, untranslated: 0, upperFills: -1, lastClass: 0 };
