/**
 * Looks for the largest (or smallest) value of a quantity that still meets a goal, where each look is a noisy simulation.
 *
 * A coarse scan of the whole range brackets the edge and shows whether there is only one; then the bracket is cut into a fixed
 * number of parts again and again. A value whose interval straddles the goal gets more seeds, up to a limit; what is still open
 * then is decided by its mean and counts as unsure. How many values are tried side by side is an option, never the number of
 * threads: the same values are tried on any machine.
 */
export type Verdict = 'meets' | 'fails' | 'open';

export interface Judgement {
  /** open = the interval straddles the goal. */
  readonly verdict: Verdict;
  /** What the mean alone says. */
  readonly leansTo: 'meets' | 'fails';
}

/** The values that may be tried. */
export interface Quantity {
  readonly lo: number;
  readonly hi: number;
  /** At most `count` values strictly between two, ascending; none when they are neighbours. */
  between(low: number, high: number, count: number): number[];
}

export interface Tried<Sample> extends Judgement {
  readonly x: number;
  readonly samples: readonly Sample[];
}

export type Edge = 'largest' | 'smallest';

export interface Finding<Sample> {
  /** Every value tried, ascending. */
  readonly tried: readonly Tried<Sample>[];
  readonly edge: Edge;
  /** The value at the edge that meets the goal; undefined when none does. */
  readonly answer: Tried<Sample> | undefined;
  /** The nearest tried value beyond the edge, which does not; undefined when the range ends before. */
  readonly beyond: Tried<Sample> | undefined;
  /**
   * The edge lies between these with confidence: the nearest values, on the side that meets and on the other, whose intervals keep
   * clear of the goal. undefined where no value does.
   */
  readonly surely: { readonly meets: number | undefined; readonly fails: number | undefined };
}

export interface Request {
  readonly search: number;
  readonly x: number;
  /** Ordinal of the seed, from 0: the same for all values, so that they differ by the value alone. */
  readonly seed: number;
}

export interface SearchOptions<Sample> {
  readonly quantity: Quantity;
  /** Searches of the same quantity side by side, each of something else. */
  readonly searches: number;
  /** undefined = the edge that the ends of the range suggest: the largest where both meet the goal, or neither. */
  readonly edge?: Edge | undefined;
  readonly firstSeeds: number;
  readonly mostSeeds: number;
  /** Values of the first scan, with both ends, and values tried at a time inside the bracket. */
  readonly scanPoints: number;
  readonly sectionPoints: number;
  /** The search ends when the bracket is narrower than this part of its upper end. */
  readonly precision: number;
  /** Simulates all of these, in any order; samples in the order of the requests. */
  readonly evaluate: (requests: readonly Request[]) => Promise<readonly Sample[]>;
  readonly judge: (samples: readonly Sample[]) => Judgement;
}

/** Rejects when `evaluate` does. */
export async function searchEdges<Sample>(options: SearchOptions<Sample>): Promise<Finding<Sample>[]> {
  const searches = Array.from({ length: options.searches }, () => new Search(options));
  const steps = searches.map((search) => search.run());
  let open = steps.map((step, search) => ({ step, search, wanted: step.next() }));
  for (;;) {
    open = open.filter(({ wanted }) => wanted.done !== true);
    if (open.length === 0) return searches.map((search) => search.finding());
    const batches = open.map(({ search, wanted }) => (wanted.value as Wanted[]).map((want) => ({ search, ...want })));
    const samples = await options.evaluate(batches.flat());
    let at = 0;
    open = open.map((each, i) => {
      const own = samples.slice(at, (at += batches[i].length));
      return { ...each, wanted: each.step.next([...own]) };
    });
  }
}

/** Halvings of the gap between the edge and the nearest sure value, on each side. */
const SURE_STEPS = 3;

interface Wanted {
  readonly x: number;
  readonly seed: number;
}

type Steps<Sample> = Generator<Wanted[], void, Sample[]>;

/** One search as a coroutine: it yields what it wants to know and goes on with the samples. */
class Search<Sample> {
  private readonly options: SearchOptions<Sample>;
  private readonly tried = new Map<number, Tried<Sample>>();
  private edge: Edge = 'largest';

  constructor(options: SearchOptions<Sample>) {
    this.options = options;
  }

  *run(): Steps<Sample> {
    const { quantity, scanPoints, sectionPoints } = this.options;
    const { lo, hi } = quantity;
    yield* this.look([lo, ...quantity.between(lo, hi, scanPoints - 2), hi]);
    this.edge = this.options.edge ?? this.suggestedEdge();
    for (;;) {
      const bracket = this.bracket();
      if (bracket === undefined || this.isNarrow(bracket)) break;
      const [low, high] = bracket;
      const inside = quantity.between(low, high, sectionPoints);
      if (inside.length === 0) break;
      yield* this.look(inside);
    }
    for (const side of ['meets', 'fails'] as const) yield* this.makeSure(side);
  }

  /**
   * Where the noise leaves values open, the nearest one that surely meets (or fails) may be far away, from an early cut. A few
   * halvings of that gap say how wide the noise really is.
   */
  private *makeSure(side: 'meets' | 'fails'): Steps<Sample> {
    for (let step = 0; step < SURE_STEPS; step++) {
      const { answer, beyond, surely } = this.finding();
      const edge = side === 'meets' ? answer : beyond;
      const sure = surely[side];
      if (edge === undefined || sure === undefined || edge.x === sure) return;
      const open = this.sorted().filter(({ x }) => (x - sure) * (x - edge.x) <= 0 && x !== sure);
      const nearest = open.reduce((a, b) => (Math.abs(b.x - sure) < Math.abs(a.x - sure) ? b : a));
      const gap: readonly [number, number] = sure < nearest.x ? [sure, nearest.x] : [nearest.x, sure];
      const inside = this.isNarrow(gap) ? [] : this.options.quantity.between(...gap, 1);
      if (inside.length === 0) return;
      yield* this.look(inside);
    }
  }

  finding(): Finding<Sample> {
    const tried = this.sorted();
    const answer = this.answer();
    const outward = this.edge === 'largest' ? tried : [...tried].reverse();
    const place = answer === undefined ? -1 : outward.indexOf(answer);
    const beyond = answer === undefined ? undefined : outward[place + 1];
    return { tried, edge: this.edge, answer, beyond, surely: surely(outward, place) };
  }

  /** New values with the first seeds, then more for those that stay open. */
  private *look(xs: readonly number[]): Steps<Sample> {
    const { firstSeeds, mostSeeds } = this.options;
    let open = xs.filter((x) => !this.tried.has(x));
    for (let count = 0; open.length > 0 && count < mostSeeds; ) {
      const target = count === 0 ? firstSeeds : Math.min(2 * count, mostSeeds);
      const wanted = open.flatMap((x) => Array.from({ length: target - count }, (_, i) => ({ x, seed: count + i })));
      const samples = yield wanted;
      for (const [i, x] of open.entries()) this.add(x, samples.slice(i * (target - count), (i + 1) * (target - count)));
      count = target;
      open = open.filter((x) => this.tried.get(x)!.verdict === 'open');
    }
  }

  private add(x: number, more: readonly Sample[]): void {
    const samples = [...(this.tried.get(x)?.samples ?? []), ...more];
    this.tried.set(x, { x, samples, ...this.options.judge(samples) });
  }

  private sorted(): Tried<Sample>[] {
    return [...this.tried.values()].sort((a, b) => a.x - b.x);
  }

  private suggestedEdge(): Edge {
    const tried = this.sorted();
    return tried[0].leansTo === 'fails' && tried.at(-1)!.leansTo === 'meets' ? 'smallest' : 'largest';
  }

  private answer(): Tried<Sample> | undefined {
    const meeting = this.sorted().filter(({ leansTo }) => leansTo === 'meets');
    return this.edge === 'largest' ? meeting.at(-1) : meeting[0];
  }

  /** The neighbours among the values tried between which the edge lies; undefined without an edge inside the range. */
  private bracket(): readonly [number, number] | undefined {
    const answer = this.answer();
    if (answer === undefined) return undefined;
    const tried = this.sorted();
    const place = tried.indexOf(answer);
    const other = tried[this.edge === 'largest' ? place + 1 : place - 1];
    if (other === undefined) return undefined;
    return answer.x < other.x ? [answer.x, other.x] : [other.x, answer.x];
  }

  private isNarrow([low, high]: readonly [number, number]): boolean {
    return high - low <= this.options.precision * Math.max(Math.abs(low), Math.abs(high));
  }
}

/** `outward`: from the side that meets to the other; the answer is at `place`. */
function surely<Sample>(outward: readonly Tried<Sample>[], place: number): Finding<Sample>['surely'] {
  if (place < 0) return { meets: undefined, fails: undefined };
  const meets = outward.slice(0, place + 1).findLast(({ verdict }) => verdict === 'meets');
  const fails = outward.slice(place + 1).find(({ verdict }) => verdict === 'fails');
  return { meets: meets?.x, fails: fails?.x };
}

/** Quantities that can be divided further and further are tried with five digits. */
const FINEST = 1e-5;

/** Values that a grid over the whole range needs for the same precision, at most `size`. */
export function gridSize({ lo, hi }: Quantity, precision: number, size: number): number {
  const step = size === Infinity ? Math.max(precision, FINEST) : precision;
  if (step === 0) return size;
  const byFactor = lo > 0 && hi / lo >= 2;
  const steps = byFactor
    ? Math.log(hi / lo) / -Math.log(1 - step)
    : (hi - lo) / (step * Math.max(Math.abs(lo), Math.abs(hi)));
  return Math.min(size, Math.ceil(steps) + 1);
}

/** The most intervals that one search looks at: values tried, each after its first seeds and after every doubling of them. */
export function mostLooks(
  options: Omit<SearchOptions<never>, 'searches' | 'evaluate' | 'judge'>,
  size: number,
): number {
  const { quantity, precision, scanPoints, sectionPoints, firstSeeds, mostSeeds } = options;
  const gap = gridSize(quantity, precision, size) / (scanPoints - 1);
  // One more round than the cuts of an even bracket: values are rounded.
  const rounds = 1 + Math.max(0, Math.ceil(Math.log(gap) / Math.log(sectionPoints + 1)));
  const values = Math.min(size, scanPoints + rounds * sectionPoints + 2 * SURE_STEPS);
  return values * (1 + Math.ceil(Math.log2(mostSeeds / firstSeeds)));
}
