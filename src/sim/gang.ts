/**
 * What the threads of one run share beside the kernel's memory: a barrier, a flag that stops them, what each unit has
 * done up to the last barrier, and what units tell each other. One thread alone uses the same block.
 *
 * A thread that waits looks at the flag again and again, so that the death of another (which sets it) ends all of them.
 */
import { MAIL_FIELDS, MAIL_ROUND } from './mail.ts';

/** Int32 words of the block. */
const STOP = 0;
const ARRIVED = 1;
const ROUND = 2;
const INTS = 4;
/** Float64 records of a unit: progress, then two reports, of even and odd rounds. */
const UNIT_PROGRESS = 0;
const UNIT_REPORTS = 1;
const REPORT_FIELDS = 5;
/** Then two mailboxes, for even and odd rounds: a count and so many messages. */
const UNIT_MAIL = UNIT_REPORTS + 2 * REPORT_FIELDS;
const MAIL_FLOATS = 1 + MAIL_ROUND * MAIL_FIELDS;
const UNIT_FLOATS = UNIT_MAIL + 2 * MAIL_FLOATS;

const HEADER_BYTES = INTS * 4;
/** Looks at the barrier before sleeping: a step often takes less than the 10–50 µs of a sleep. */
const SPINS = 2000;
const WAIT_MS = 50;

/** Another thread of the run failed, or the user stopped it. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** What a unit has done by the end of a step, and how busy its command processor is. */
export interface UnitReport {
  readonly requests: number;
  readonly nowPs: number;
  readonly nextPs: number;
  readonly commandsIdlePs: number;
  readonly drainPs: number;
}

export class Gang {
  readonly members: number;
  private readonly ints: Int32Array;
  private readonly floats: Float64Array;
  /** Rounds of mail so far, modulo 2: a thread can be one round ahead of another. */
  private mailRound = 0;

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
  report(unit: number, step: number, done: UnitReport): void {
    const at = reportAt(unit, step);
    this.floats[at] = done.requests;
    this.floats[at + 1] = done.nowPs;
    this.floats[at + 2] = done.nextPs;
    this.floats[at + 3] = done.commandsIdlePs;
    this.floats[at + 4] = done.drainPs;
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

  /** When its command processor will have executed all commands it has, ps. */
  commandsIdlePs(unit: number, step: number): number {
    return this.floats[reportAt(unit, step) + 3];
  }

  /** How much longer its requests in flight take, ps. */
  drainPs(unit: number, step: number): number {
    return this.floats[reportAt(unit, step) + 4];
  }

  /** Puts up to MAIL_ROUND of a unit's messages, from number `first` on, where all threads can read them after the barrier. */
  post(unit: number, messages: Float64Array, first: number, total: number): void {
    const at = this.mailAt(unit);
    this.floats[at] = total;
    if (first < total) {
      const last = Math.min(total, first + MAIL_ROUND);
      this.floats.set(messages.subarray(first * MAIL_FIELDS, last * MAIL_FIELDS), at + 1);
    }
  }

  /** Messages of all rounds that the unit has to post. */
  posted(unit: number): number {
    return this.floats[this.mailAt(unit)];
  }

  /** Those of this round; `left`: messages of this and later rounds. */
  mail(unit: number, left: number): Float64Array {
    const at = this.mailAt(unit) + 1;
    return this.floats.subarray(at, at + Math.max(0, Math.min(left, MAIL_ROUND)) * MAIL_FIELDS);
  }

  turnMail(): void {
    this.mailRound ^= 1;
  }

  private mailAt(unit: number): number {
    return unit * UNIT_FLOATS + UNIT_MAIL + this.mailRound * MAIL_FLOATS;
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
