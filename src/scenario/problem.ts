/** The user's mistakes: where, what is wrong, what is expected. They are collected and shown together. */

/** A position in a file (1-based), or a flag of the command line. */
export type Place =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly flag: string };

export interface Problem {
  readonly place: Place;
  readonly message: string;
}

export function placeText(place: Place): string {
  return 'flag' in place ? place.flag : `${place.file}:${place.line}:${place.column}`;
}

/** One line a problem, in the order of the file, flags last, without repetitions. */
export function problemLines(problems: readonly Problem[]): string[] {
  const sorted = [...problems].sort((a, b) => order(a.place) - order(b.place) || columnOf(a.place) - columnOf(b.place));
  return [...new Set(sorted.map((problem) => `${placeText(problem.place)}: ${problem.message}`))];
}

const order = (place: Place): number => ('flag' in place ? Number.MAX_SAFE_INTEGER : place.line);
const columnOf = (place: Place): number => ('flag' in place ? 0 : place.column);

/** Thrown by commands: a mistake of the user, shown as it is, exit code 2. */
export class UserError extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[] | string) {
    const all = typeof lines === 'string' ? [lines] : lines;
    super(all.join('\n'));
    this.name = 'UserError';
    this.lines = all;
  }
}

/** `; did you mean "x"?` for the known word nearest to `word`, or '' when none is near. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const found = nearest(word, known);
  return found === undefined ? '' : `; did you mean "${found}"?`;
}

/** The known word with the least edit distance, when at most a third of its letters differ or it begins with `word`. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > 100) return undefined;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = closeness(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return bestDistance <= Math.max(1, Math.floor(word.length / 3)) ? best : undefined;
}

/** Edit distance; a missing unit (`window` for `windowBytes`) counts as one edit. */
function closeness(word: string, candidate: string): number {
  const isStem =
    word.length >= 3 && candidate.startsWith(word) && /^(bytes|ns|log2|persecond)$/.test(candidate.slice(word.length));
  return isStem ? 1 : editDistance(word, candidate);
}

/** Levenshtein distance, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
