/**
 * A log of 128-bit records that hardware writes and software reads: event log and PPR log of AMD, fault recording registers and
 * page request queue of VT-d. A ring in memory with head and tail.
 *
 * A record that finds the log full is lost: the overflow bit is set and logging stops (AMD 48882 sections 2.5 and 2.6: EventOverflow,
 * PprOverflow, and the log's run bit; VT-d: PFO, PRO) until software restarts it. All slots can be used.
 */
import { assert } from '../lib/assert.ts';

export const RECORD_BYTES = 16;
const RECORD_WORDS = 4;

/** Where the log lies. */
export interface LogMemory {
  readonly words: Int32Array;
  /** Index of the first slot's first word. */
  readonly first: number;
  /** Slots. ≥ 1. */
  readonly entries: number;
}

export function logIn(words: Int32Array, first: number, entries: number): LogMemory {
  return { words, first, entries };
}

/** A log in memory of its own. */
export function ownLog(entries: number): LogMemory {
  return logIn(new Int32Array(entries * RECORD_WORDS), 0, entries);
}

export class RecordLog {
  readonly memory: LogMemory;
  /** Records written and read since the start; the registers are these modulo the slots. */
  private written = 0;
  private taken = 0;
  /** Status bits: a record found no room; the log takes records. */
  overflow = false;
  running = true;
  /** Records lost since the start. */
  lost = 0;

  constructor(memory: LogMemory) {
    assert(memory.entries >= 1, 'a log has at least one slot');
    this.memory = memory;
  }

  /** Records that software has not read. */
  get waiting(): number {
    return this.written - this.taken;
  }

  get head(): number {
    return this.taken % this.memory.entries;
  }

  get tail(): number {
    return this.written % this.memory.entries;
  }

  /** The hardware's side: a record of two 64-bit words. False: it is lost. */
  append(record: readonly bigint[]): boolean {
    if (this.running && this.waiting === this.memory.entries) {
      this.overflow = true;
      this.running = false;
    }
    if (!this.running) {
      this.lost++;
      return false;
    }
    const at = this.memory.first + this.tail * RECORD_WORDS;
    record.forEach((word, i) => {
      this.memory.words[at + 2 * i] = Number(BigInt.asIntN(32, word));
      this.memory.words[at + 2 * i + 1] = Number(BigInt.asIntN(32, word >> 32n));
    });
    this.written++;
    return true;
  }

  /** Software's side: the oldest record, whose slot is free then; undefined when there is none. */
  read(): [bigint, bigint] | undefined {
    if (this.waiting === 0) return undefined;
    const { words, first } = this.memory;
    const at = first + this.head * RECORD_WORDS;
    const word = (i: number): bigint => BigInt(words[at + i] >>> 0) | (BigInt(words[at + i + 1] >>> 0) << 32n);
    this.taken++;
    return [word(0), word(2)];
  }

  /** Clears the overflow bit and lets the log take records again (amd_iommu_restart_event_logging). */
  restart(): void {
    this.overflow = false;
    this.running = true;
  }
}
