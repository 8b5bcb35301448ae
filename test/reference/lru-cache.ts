/** A fully associative LRU cache as one would draw it: a map in the order of use. */
export class LruCache<Key> {
  private readonly keys = new Set<Key>();
  private readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** True for a hit; a miss fills. */
  access(key: Key): boolean {
    const hit = this.keys.delete(key);
    this.keys.add(key);
    if (this.keys.size > this.capacity) {
      const [oldest] = this.keys;
      this.keys.delete(oldest);
    }
    return hit;
  }

  remove(key: Key): void {
    this.keys.delete(key);
  }
}
