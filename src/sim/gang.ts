/**
 * What the threads of one run share beside the kernel's memory: a barrier, a flag that stops them, and what each unit has
 * done up to the last barrier. One thread alone uses the same block.
 *
 * A thread that waits looks at the flag again and again, so that the death of another (which sets it) ends all of them.
 */

/** Int32 words of the block. */
const STOP = 0;
const ARRIVED = 1;
const ROUND = 2;
const INTS = 4;
/** Float64 records of a unit: progress, then two reports, of even and odd rounds. */
const UNIT_PROGRESS = 0;
const UNIT_REPORTS = 1;
const REPORT_FIELDS = 3;
const UNIT_FLOATS = UNIT_REPORTS + 2 * REPORT_FIELDS;

const HEADER_BYTES = INTS * 4;
/** Looks at the barrier before sleeping: a step often takes less than the 10–50 µs of a sleep. */
const SPINS = 2000;
const WAIT_MS = 50;

/** Another thread of the run failed, or the user stopped it. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

export class Gang {
  readonly members: number;
  private readonly ints: Int32Array;
  private readonly floats: Float64Array;

  constructor(block: SharedArrayBuffer, members: number) {
    this.members = members;
    this.ints = new Int32Array(block, 0, INTS);
    this.floats = new Float64Array(block, HEADER_BYTES);
  }

  /** A zeroed block for so many units. */
  static block(units: number): SharedArrayBuffer {
    return new SharedArrayBuffer(HEADER_BYTES + units * UNIT_FLOATS * 8);
  }

  /** Ends the run: every thread throws Stopped at its next check. */
  stop(): void {
    Atomics.store(this.ints, STOP, 1);
    Atomics.notify(this.ints, ROUND);
  }

  /** Throws Stopped when the run is to end. */
  check(): void {
    if (Atomics.load(this.ints, STOP) !== 0) throw new Stopped('the run was stopped');
  }

  /** Returns when all threads are here. What each wrote before, all can read afterwards. */
  meet(): void {
    const { ints } = this;
    const round = Atomics.load(ints, ROUND);
    if (Atomics.add(ints, ARRIVED, 1) + 1 === this.members) {
      Atomics.store(ints, ARRIVED, 0);
      Atomics.add(ints, ROUND, 1);
      Atomics.notify(ints, ROUND);
      this.check();
      return;
    }
    for (let spin = 0; spin < SPINS && Atomics.load(ints, ROUND) === round; spin++);
    while (Atomics.load(ints, ROUND) === round) {
      this.check();
      Atomics.wait(ints, ROUND, round, WAIT_MS);
    }
    this.check();
  }

  /** What a unit has done by the end of a step. Kept for two steps: a thread can be one step ahead of another. */
  report(unit: number, step: number, requests: number, nowPs: number, nextPs: number): void {
    const at = reportAt(unit, step);
    this.floats[at] = requests;
    this.floats[at + 1] = nowPs;
    this.floats[at + 2] = nextPs;
  }

  /** The unit's requests since the start, by the end of the step. */
  requests(unit: number, step: number): number {
    return this.floats[reportAt(unit, step)];
  }

  /** Time of its last event, ps. */
  nowPs(unit: number, step: number): number {
    return this.floats[reportAt(unit, step) + 1];
  }

  /** Time of its next event, ps; Infinity: it will never do anything again. */
  nextPs(unit: number, step: number): number {
    return this.floats[reportAt(unit, step) + 2];
  }

  /** For progress displays: the share of the run (0…1) that a unit has behind it. */
  setProgress(unit: number, share: number): void {
    this.floats[unit * UNIT_FLOATS + UNIT_PROGRESS] = share;
  }

  progress(units: number): number {
    let sum = 0;
    for (let unit = 0; unit < units; unit++) sum += this.floats[unit * UNIT_FLOATS + UNIT_PROGRESS];
    return sum / units;
  }
}

function reportAt(unit: number, step: number): number {
  return unit * UNIT_FLOATS + UNIT_REPORTS + (step % 2) * REPORT_FIELDS;
}
