/** Numbers for what IOTLB keys share: address space, leaf class and the upper bits of the page (in units of the class). */
const LOW_BITS = 4_294_967_296;
const CLASS_BITS = 2;

export class Tags {
  readonly spaceOf: number[] = [];
  readonly leafOf: number[] = [];
  readonly highOf: number[] = [];
  /** Of the keys' hashes; depends on what the tag stands for, not on its number. */
  readonly seedOf: number[] = [];
  /** Number by upper bits, for each space and class; and the one asked for last. */
  private readonly byHigh: Map<number, number>[] = [];
  private readonly lastHigh: number[] = [];
  private readonly lastTag: number[] = [];

  /** `high`: the bits of the page above its low 32. */
  of(space: number, leaf: number, high: number): number {
    const slot = (space << CLASS_BITS) | leaf;
    return this.lastHigh[slot] === high ? this.lastTag[slot] : this.find(slot, high);
  }

  /** Tags of a space and class that there are. */
  all(space: number, leaf: number): number[] {
    return [...(this.byHigh[(space << CLASS_BITS) | leaf]?.values() ?? [])];
  }

  private find(slot: number, high: number): number {
    const known = (this.byHigh[slot] ??= new Map());
    let tag = known.get(high);
    if (tag === undefined) {
      tag = this.spaceOf.push(slot >> CLASS_BITS) - 1;
      this.leafOf.push(slot & ((1 << CLASS_BITS) - 1));
      this.highOf.push(high);
      this.seedOf.push(Math.imul(slot + 1, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b));
      known.set(high, tag);
    }
    this.lastHigh[slot] = high;
    this.lastTag[slot] = tag;
    return tag;
  }

  /** Whole page number of a key, in units of its class. */
  pageOf(tag: number, low: number): number {
    return this.highOf[tag] * LOW_BITS + (low >>> 0);
  }
}
