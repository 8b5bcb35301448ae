/**
 * Miss-ratio curves of a run: takes the IOTLB references that the kernel logs (kernel/assembly/references.ts), a log at a time, and tells
 * the analysis of them and of the commands between them. Runs that ask for no curves do not come here.
 */
import type { Kernel, KernelExports } from '../kernel/kernel.ts';
import {
  ENGINE_REFERENCE_COUNT,
  ENGINE_REFERENCES,
  REFERENCE_ENTRIES,
  REFERENCE_HIGH_LOG2,
  REFERENCE_LOW,
  REFERENCE_UNFILLED,
  REFERENCE_UPPER,
  REFERENCE_WHAT,
  REFERENCE_WHO,
} from '../kernel/layout.ts';
import { PAGE_LOG2 } from '../request.ts';
import { type IotlbSpec, isNested, type MrcSpec, type RunSpec } from '../spec.ts';
import { capacitiesOf, splitParts } from '../stats/mrc/organisation.ts';
import { MrcAnalysis } from '../stats/mrc/analysis.ts';
import type { UnitCurves } from '../stats/mrc/curve.ts';
import type { DevicePlan, UnitPlan } from './memory-plan.ts';
import { HOST_FORMAT } from './table-rules.ts';

/** A log's columns, in the kernel's memory. */
interface Columns {
  readonly low: Int32Array;
  readonly what: Int32Array;
  readonly who: Int32Array;
  /** Index into the kernel's i32: how many references there are. */
  readonly count: number;
}

export class MrcTap {
  private readonly analysis: MrcAnalysis;
  private readonly kernel: Kernel;
  private readonly spec: RunSpec;
  /** Address space in the analysis, by the device's index in the run. */
  private readonly spaceOf: number[] = [];
  /** Address spaces by domain: PASID (-1: the host's addresses) → number in the analysis. */
  private readonly spaces = new Map<number, Map<number, number>>();
  private log: Columns | undefined;

  constructor(kernel: Kernel, spec: RunSpec, plan: UnitPlan, mrc: MrcSpec) {
    const { leafLog2, index } = spec.machine.iotlb;
    this.kernel = kernel;
    this.spec = spec;
    this.analysis = new MrcAnalysis({
      unit: plan.unit,
      classPagesLog2: leafLog2.map((log2) => log2 - PAGE_LOG2),
      tenants: spec.tenants.length,
      partOf: partOfClass(spec.machine.iotlb),
      sampleKeys: mrc.sampleKeys,
      exactAt: capacitiesOf(spec.machine.iotlb),
      setCounts: index === 'hash' ? [] : mrc.setCounts,
      ways: mrc.ways,
      index: index === 'shifted' ? 'shifted' : 'modulo',
    });
    for (const device of plan.devices) this.spaceOf[device.spec.index] = this.openSpace(device);
  }

  /** The log is full: takes what is in it. */
  readonly recorded = (): void => {
    if (this.log === undefined) return;
    const { low, what, who, count } = this.log;
    const references = this.kernel.i32[count];
    this.kernel.i32[count] = 0;
    this.take(low, what, who, references);
  };

  /** Watches the engine whose record lies at `engine`, and the commands that take effect at the unit whose record lies at `unit`. */
  watch(engine: number, unit: number): void {
    const { exports, i32 } = this.kernel;
    const at = i32[(engine + ENGINE_REFERENCES) / 4];
    const column = (offset: number): Int32Array =>
      i32.subarray((at + offset) / 4, (at + offset) / 4 + REFERENCE_ENTRIES);
    const [low, what, who] = [REFERENCE_LOW, REFERENCE_WHAT, REFERENCE_WHO].map(column);
    this.log = { low, what, who, count: (engine + ENGINE_REFERENCE_COUNT) / 4 };
    const invalidatePages: KernelExports['invalidatePages'] = (target, domain, pasid, page, pagesLog2, flags) => {
      if (target === unit) this.invalidated(domain, pasid, page, pagesLog2);
      return exports.invalidatePages(target, domain, pasid, page, pagesLog2, flags);
    };
    const invalidateAll: KernelExports['invalidateAll'] = (target) => {
      if (target === unit) for (const domain of this.spaces.keys()) this.invalidated(domain, -1, 0, ALL_LOG2);
      return exports.invalidateAll(target);
    };
    // The kernel's own way past here is closed: it leaves every command to the general one.
    const queueProcess: KernelExports['queueProcess'] = () => -1;
    Object.assign(this.kernel, { exports: { ...exports, invalidatePages, invalidateAll, queueProcess } });
  }

  /** Counts anew: warm-up is over. */
  begin(): void {
    this.recorded();
    this.analysis.reset();
  }

  curves(): UnitCurves {
    this.recorded();
    return this.analysis.result();
  }

  private take(lows: Int32Array, whats: Int32Array, whos: Int32Array, count: number): void {
    const { analysis } = this;
    let lastWhat = -1;
    let lastWho = -1;
    let tag = -1;
    for (let i = 0; i < count; i++) {
      const what = whats[i];
      const who = whos[i];
      if (what !== lastWhat || who !== lastWho) {
        lastWhat = what;
        lastWho = who;
        tag = (what & NOT_SEEN) === 0 ? this.tagOf(what, who) : -1;
      }
      if (tag >= 0) analysis.refer(tag, lows[i]);
      else if ((what & REFERENCE_UPPER) !== 0) analysis.upperHit(this.spaceOf[who], what & LEAF_MASK);
      else analysis.unfilled(this.spaceOf[who]);
    }
  }

  private tagOf(what: number, who: number): number {
    return this.analysis.tagOf(this.spaceOf[who], what & LEAF_MASK, what >>> REFERENCE_HIGH_LOG2);
  }

  private openSpace({ domain, tenant, spec }: DevicePlan): number {
    const { mode, host } = this.spec.tenants[tenant];
    const guest = isNested(mode) || host.format !== HOST_FORMAT;
    const pasid = guest ? Math.max(0, spec.pasid) : -1;
    let byPasid = this.spaces.get(domain);
    if (byPasid === undefined) this.spaces.set(domain, (byPasid = new Map()));
    let space = byPasid.get(pasid);
    if (space === undefined) byPasid.set(pasid, (space = this.analysis.openSpace(tenant)));
    return space;
  }

  /** As the kernel does it: a command for host addresses drops all of the domain's guest translations. */
  private invalidated(domain: number, pasid: number, page: number, pagesLog2: number): void {
    this.recorded();
    for (const [each, space] of this.spaces.get(domain) ?? []) {
      if (each === pasid) this.analysis.invalidate(space, page, pagesLog2);
      else if (pasid < 0) this.analysis.invalidate(space, 0, ALL_LOG2);
    }
  }
}

/** Of a split IOTLB, the smallest leaf class of the part that holds each. */
function partOfClass(iotlb: IotlbSpec): number[] | undefined {
  const parts = splitParts(iotlb);
  return parts && iotlb.leafLog2.map((_, leaf) => parts.find(({ classes }) => classes.includes(leaf))!.classes[0]);
}

/** log2 of the pages of a whole address space. */
const ALL_LOG2 = 52;
const LEAF_MASK = 3;
/** References that no stack sees. */
const NOT_SEEN = REFERENCE_UPPER | REFERENCE_UNFILLED;
