/** The memory of a command queue: a ring of commands, and the semaphore that completion waits store to. */
import { COMMAND_BYTES } from './commands/command.ts';

/** Where the ring and the semaphore of completion waits lie. */
export interface CommandRing {
  readonly words: Int32Array;
  /** Index of the first slot's first word. */
  readonly first: number;
  /** Physical address of the first slot. */
  readonly address: number;
  /** The 64-bit word that completion waits store to: index and address (0: waits store nothing). */
  readonly semaphore: number;
  readonly semaphoreAddress: number;
}

/** Bytes of a ring and the semaphore behind it. */
export function ringBytes(entries: number): number {
  return entries * COMMAND_BYTES + 64;
}

/** A ring in memory of its own. */
export function ringIn(words: Int32Array, first: number, address: number, entries: number): CommandRing {
  const bytes = entries * COMMAND_BYTES;
  return { words, first, address, semaphore: first + bytes / 4, semaphoreAddress: address + bytes };
}
