/**
 * Why a lookup missed, kept with sets: cold if the key was never filled, invalidated if an invalidation took it since (from
 * the cache, or from the fully associative LRU cache that runs along), conflict if that one still holds it, else capacity.
 */
import { CAUSE_CAPACITY, CAUSE_COLD, CAUSE_CONFLICT, CAUSE_INVALIDATED } from '../../src/kernel/layout.ts';
import type { Key } from './cache.ts';

export class ReferenceMissCauses {
  /** Keys held by the companion cache, least recently used first; its capacity 0 = there is none. */
  private readonly companion = new Map<string, Key>();
  private readonly capacity: number;
  private readonly seen = new Set<string>();
  private readonly taken = new Set<string>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** The cause of the miss that fills this key. */
  miss(key: Key): number {
    const name = text(key);
    const isHeld = this.companion.has(name);
    const isTaken = this.taken.delete(name);
    const isKnown = this.seen.has(name);
    this.use(key);
    this.seen.add(name);
    if (!isKnown) return CAUSE_COLD;
    if (isTaken) return CAUSE_INVALIDATED;
    return isHeld ? CAUSE_CONFLICT : CAUSE_CAPACITY;
  }

  /** Any lookup that found the key, ready or not. */
  use(key: Key): void {
    if (this.capacity === 0) return;
    const name = text(key);
    if (!this.companion.delete(name) && this.companion.size === this.capacity) {
      this.companion.delete(this.companion.keys().next().value!);
    }
    this.companion.set(name, key);
  }

  /** An invalidation: what it dropped from the cache, and which keys its range meets. */
  invalidate(dropped: readonly Key[], meets: (key: Key) => boolean): void {
    for (const key of dropped) this.taken.add(text(key));
    for (const [name, key] of this.companion) {
      if (!meets(key)) continue;
      this.companion.delete(name);
      this.taken.add(name);
    }
  }
}

function text({ page, leafClass, space }: Key): string {
  return `${space}/${leafClass}/${page}`;
}
