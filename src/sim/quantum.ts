/**
 * The steps in which the units of a run advance together. After each step every thread makes the same decision from the
 * same reports: how far the next one goes, whether warm-up is over, whether the run is. So the number of threads
 * enters no result.
 *
 * Steps end at multiples of the quantum (and at the ends of warm-up and run). If domains span units, a step is one quantum, and what
 * crosses units becomes visible at its end. Otherwise nothing crosses them, and a step may be many quanta long: it is kept
 * to half of the requests that are still wanted, so that the last steps are short and the units end together. `run.requests` is met exactly: in each step a unit may translate
 * its share, by its rate so far, of what is left.
 */
import { alignUp } from '../lib/bits.ts';
import { PS_PER_NS } from '../request.ts';
import type { RunLimits } from '../spec.ts';

/** A run whose devices send nothing for so long (10 s) is over. */
const SILENCE_PS = 1e13;
/** The longest step of a run without a limit of requests: threads look at each other now and then. */
const LONGEST_QUANTA = 65_536;

/** What all units have done by the end of the last step. */
export interface StepReports {
  readonly units: number;
  /** Requests since the start. */
  requests(unit: number): number;
  /** Time of the unit's next event, ps; Infinity: it will never do anything again. */
  nextPs(unit: number): number;
}

export class Steps {
  /** Where the last step ended; units with a budget may have stopped earlier. */
  nowPs = 0;
  /** When counting began. */
  measureFromPs = Infinity;
  done = false;
  /** The last step was the last of warm-up: counts begin anew. */
  resets = false;
  /** Requests that each unit may translate in the step. */
  readonly budgets: Float64Array;
  private readonly warmupPs: number;
  private readonly warmupRequests: number;
  private readonly wanted: number;
  private readonly durationPs: number;
  private readonly quantumPs: number;
  private quanta = 1;
  private readonly mostQuanta: number;
  private baseRequests = 0;
  private total = 0;
  private lastRequestPs = 0;

  /** `spans`: units tell each other something at the end of every quantum. */
  constructor(run: RunLimits, units: number, spans = false) {
    this.mostQuanta = spans ? 1 : LONGEST_QUANTA;
    this.warmupPs = Math.round(run.warmupNs * PS_PER_NS);
    this.warmupRequests = run.warmupRequests;
    this.wanted = run.requests > 0 ? run.requests : Infinity;
    this.durationPs = run.durationNs > 0 ? Math.round(run.durationNs * PS_PER_NS) : Infinity;
    this.quantumPs = Math.max(1, Math.round(run.quantumNs * PS_PER_NS));
    this.budgets = new Float64Array(units);
  }

  /** Counting has begun. */
  get measuring(): boolean {
    return this.measureFromPs < Infinity;
  }

  /** Counted time so far. */
  get measuredPs(): number {
    return this.measuring ? this.nowPs - this.measureFromPs : 0;
  }

  /** Decides on the step after `nowPs`: sets `done`, `resets`, `budgets`, and returns the step's end. */
  next(reports: StepReports): number {
    const earliest = this.read(reports);
    this.resets = !this.measuring && this.nowPs >= this.warmupPs && this.total >= this.warmupRequests;
    if (this.resets) {
      this.measureFromPs = this.nowPs;
      this.baseRequests = this.total;
      this.quanta = 1;
    }
    const left = this.measuring ? this.wanted - (this.total - this.baseRequests) : Infinity;
    const isSilent = earliest === Infinity || this.nowPs - this.lastRequestPs > SILENCE_PS;
    this.done = left <= 0 || this.measuredPs >= this.durationPs || isSilent;
    if (this.done) return this.nowPs;
    this.shareOut(left, reports);
    this.nowPs = this.stepEnd(left, earliest);
    return this.nowPs;
  }

  /** Sums up the reports; returns the time of the next event of all. */
  private read(reports: StepReports): number {
    let earliest = Infinity;
    let total = 0;
    for (let unit = 0; unit < reports.units; unit++) {
      total += reports.requests(unit);
      earliest = Math.min(earliest, reports.nextPs(unit));
    }
    if (total > this.total) this.lastRequestPs = this.nowPs;
    this.total = total;
    return earliest;
  }

  private stepEnd(left: number, earliest: number): number {
    const goal = this.measuring ? left : this.warmupRequests - this.total;
    this.quanta = Math.min(2 * this.quanta, this.mostQuanta);
    if (goal > 0 && goal < Infinity && this.total > 0) {
      const goalQuanta = ((goal / 2) * this.nowPs) / this.total / this.quantumPs;
      this.quanta = Math.max(1, Math.min(this.quanta, Math.floor(goalQuanta)));
    }
    const fromPs = Math.max(this.nowPs, earliest);
    // The next multiple of the quantum if units tell each other something there, else any later one.
    const stepPs = this.mostQuanta === 1 ? 1 : this.quanta * this.quantumPs;
    let endPs = alignUp(fromPs + stepPs, this.quantumPs);
    if (!this.measuring && this.nowPs < this.warmupPs) endPs = Math.min(endPs, this.warmupPs);
    if (this.measuring) endPs = Math.min(endPs, this.measureFromPs + this.durationPs);
    return endPs;
  }

  /** Deals what is left to the units that still do anything, by what they have done so far. */
  private shareOut(left: number, reports: StepReports): void {
    if (left === Infinity) {
      this.budgets.fill(Infinity);
      return;
    }
    const weight = (unit: number): number => (reports.nextPs(unit) < Infinity ? reports.requests(unit) + 1 : 0);
    let weights = 0;
    for (let unit = 0; unit < reports.units; unit++) weights += weight(unit);
    let rest = left;
    for (let unit = 0; unit < reports.units; unit++) {
      this.budgets[unit] = Math.floor(left * (weight(unit) / weights));
      rest -= this.budgets[unit];
    }
    for (let unit = 0; rest > 0; unit = (unit + 1) % reports.units) {
      if (weight(unit) === 0) continue;
      this.budgets[unit]++;
      rest--;
    }
  }
}
