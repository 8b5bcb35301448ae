/**
 * Output of `perf stat`, in each of its forms: text, `-x` with any separator, `-j`. Also per socket, die, core, CPU or node, per
 * interval (`-I`, with `--summary` or without), and repeated (`-r`). The forms are those of tools/perf/util/stat-display.c, Linux 5.13 to 6.12.
 *
 * perf extrapolates multiplexed counts itself (count × enabled / running), unless it was called with --no-scale; `isScaled` says
 * which. Counts of the same event on several PMUs, CPUs or intervals are added up.
 */
export interface PerfEvent {
  /** As perf prints it. */
  readonly name: string;
  /** undefined when it was not counted, or the machine does not have it. */
  readonly count: number | undefined;
  readonly status: 'counted' | 'not counted' | 'not supported';
  /** Least share of the time, 0 to 1, that the event had a counter; undefined where the output does not say. */
  readonly runningShare: number | undefined;
}

export interface PerfStat {
  readonly events: readonly PerfEvent[];
  readonly form: 'text' | 'csv' | 'json';
  /** Lines that are no event, title or time: shown, so that nothing is dropped in silence. */
  readonly unknown: readonly { readonly line: number; readonly text: string }[];
}

export interface PerfOptions {
  /** false: made with `perf stat --no-scale`; counts are extrapolated here. */
  readonly isScaled: boolean;
}

interface Line {
  readonly name: string;
  readonly count: number | PerfEvent['status'];
  readonly runningShare: number | undefined;
  /** Of one interval of -I; the lines that --summary adds are of no interval. */
  readonly isInterval: boolean;
}

const STATUS: Readonly<Record<string, PerfEvent['status']>> = {
  '<not counted>': 'not counted',
  '<not supported>': 'not supported',
};

export function parsePerfStat(text: string, { isScaled }: PerfOptions): PerfStat {
  const lines = text.split(/\r?\n/);
  const form = formOf(lines);
  const read = { text: readTextLine, csv: csvReader(lines), json: readJsonLine }[form];
  const found: Line[] = [];
  const unknown: { line: number; text: string }[] = [];
  for (const [i, line] of lines.entries()) {
    if (isSkipped(line)) continue;
    const event = read(line);
    if (event === undefined) unknown.push({ line: i + 1, text: line });
    else if (event !== 'nothing') found.push(event);
  }
  return { events: added(countedOnce(found), isScaled), form, unknown };
}

/** With -I and --summary every count is there twice: in its interval and in the sum at the end. The sums are enough. */
function countedOnce(lines: readonly Line[]): readonly Line[] {
  const sums = lines.filter(({ isInterval }) => !isInterval);
  return sums.length > 0 ? sums : lines;
}

/** Comments, empty lines, metrics on lines of their own, titles and times around the counts. */
function isSkipped(line: string): boolean {
  return (
    /^\s*(#.*)?$/.test(line) ||
    /Performance counter stats for|seconds (time elapsed|user|sys)\b|^\s*Some events weren't counted/.test(line)
  );
}

function formOf(lines: readonly string[]): PerfStat['form'] {
  const content = lines.filter((line) => !isSkipped(line));
  if (content.some((line) => /^\s*\{.*"(counter-value|event)"/.test(line))) return 'json';
  return content.some((line) => separatorOf(line) !== undefined) ? 'csv' : 'text';
}

// ---- -j -------------------------------------------------------------------------------------------------------------
function readJsonLine(line: string): Line | 'nothing' | undefined {
  const object = jsonOf(line);
  if (object === undefined) return undefined;
  const { event, interval, 'counter-value': value, 'pcnt-running': percent } = object;
  // Lines of metrics alone carry no counter.
  if (typeof event !== 'string' || value === undefined) return 'nothing';
  const count = typeof value === 'string' ? countOf(value) : typeof value === 'number' ? value : undefined;
  if (count === undefined) return undefined;
  return { name: event, count, runningShare: shareOf(percent), isInterval: interval !== undefined };
}

/** perf writes nan and inf for metrics that divide by zero, which JSON does not know. */
function jsonOf(line: string): Record<string, unknown> | undefined {
  const body = line
    .trim()
    .replace(/,$/, '')
    .replace(/:\s*-?(nan|inf)\b/gi, ': null');
  if (!body.startsWith('{')) return undefined;
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

// ---- -x -------------------------------------------------------------------------------------------------------------
const SEPARATORS = [';', ',', '\t', '|', ':', '\\'];
const CSV_VALUE = /^(\d+(\.\d+)?|<not counted>|<not supported>)$/;

/** The separator with which a line reads as value, unit, event, run time, share. */
function separatorOf(line: string): string | undefined {
  return SEPARATORS.find((separator) => csvLine(line, separator) !== undefined);
}

function csvReader(lines: readonly string[]): (line: string) => Line | 'nothing' | undefined {
  const separator = lines.map(separatorOf).find((found) => found !== undefined) ?? ',';
  return (line) => csvLine(line, separator) ?? (isMetricOnly(line, separator) ? 'nothing' : undefined);
}

/** A continuation of the event above with another metric: only its last two fields are there. */
function isMetricOnly(line: string, separator: string): boolean {
  return line
    .split(separator)
    .slice(0, -2)
    .every((field) => field.trim() === '');
}

const INTERVAL = /^\d+\.\d{6,9}$/;

/** [time or "summary",] [CPU or socket, [CPUs,]] value, unit, event, run time, share [, variance] [, metric, unit] */
function csvLine(line: string, separator: string): Line | undefined {
  const fields = joined(
    line.split(separator).map((field) => field.trim()),
    separator,
  );
  for (let at = 0; at < Math.min(4, fields.length - 4); at++) {
    const [value, , name, runtime, share, more = ''] = fields.slice(at) as [
      string,
      string,
      string,
      string,
      string,
      string?,
    ];
    if (!CSV_VALUE.test(value) || !/[A-Za-z_]/.test(name) || name.startsWith('<')) continue;
    // With -r the variance stands between event and run time.
    const [time, percent] = runtime.endsWith('%') ? [share, more] : [runtime, share];
    if (!/^\d+$/.test(time) || !/^\d+(\.\d+)?$/.test(percent)) continue;
    const isInterval = at > 0 && INTERVAL.test(fields[0]);
    return { name, count: countOf(value)!, runningShare: shareOf(percent), isInterval };
  }
  return undefined;
}

/** perf does not quote: `pmu/event,devid=0x41/` is cut at its commas and put together again. */
function joined(fields: readonly string[], separator: string): string[] {
  const out: string[] = [];
  let isOpen = false;
  for (const field of fields) {
    if (isOpen) out[out.length - 1] += separator + field;
    else out.push(field);
    if ((field.match(/\//g) ?? []).length % 2 === 1) isOpen = !isOpen;
  }
  return out;
}

// ---- text -----------------------------------------------------------------------------------------------------------
const TIME = String.raw`(\d+[.,]\d{6,9}\s+)?`;
const PLACE = String.raw`(?:(?:S\d+(?:-[A-Z]+\d+)*|CPU\d+|N\d+|D\d+)\s+(?:\d{1,5}\s{2,})?)?`;
const VALUE = String.raw`(<not counted>|<not supported>|\d[\d.,'\u2019 \u00a0\u2009\u202f]*)`;
const TEXT_LINE = new RegExp(
  String.raw`^\s*${TIME}${PLACE}${VALUE}\s+(?:(\S+)\s+)?(\S*[A-Za-z_]\S*(?:\s+\[[^\]]+\])?)\s*(?:#.*?)?(?:\(\s*\+-.*?\))?\s*(?:\((\d+[.,]\d+)%\))?\s*$`,
);

function readTextLine(line: string): Line | undefined {
  const match = TEXT_LINE.exec(line);
  if (match === null) return undefined;
  const [, time, value, unit, name, percent] = match as unknown as [
    string,
    string?,
    string?,
    string?,
    string?,
    string?,
  ];
  const count = countOf(value!.trim(), unit === undefined);
  if (count === undefined || name === undefined) return undefined;
  const runningShare = percent === undefined ? undefined : shareOf(percent.replace(',', '.'));
  return { name, count, runningShare, isInterval: time !== undefined };
}

// ---- values ---------------------------------------------------------------------------------------------------------
/** `whole`: a count, in which a single dot or comma before three digits is a thousands separator of the user's locale. */
function countOf(text: string, whole = false): Line['count'] | undefined {
  if (Object.hasOwn(STATUS, text)) return STATUS[text];
  const bare = text.replace(/['\u2019\s]/g, '');
  const grouped = /^\d{1,3}([.,]\d{3})+$/.test(bare) && (whole || (bare.match(/[.,]/g) ?? []).length > 1);
  const number = Number(grouped ? bare.replace(/[.,]/g, '') : decimalPoint(bare));
  return bare !== '' && Number.isFinite(number) ? number : undefined;
}

/** The last of several separators is the decimal one: 1,234.56 and 1.234,56. */
function decimalPoint(text: string): string {
  const at = Math.max(text.lastIndexOf('.'), text.lastIndexOf(','));
  return at < 0 ? text : `${text.slice(0, at).replace(/[.,]/g, '')}.${text.slice(at + 1)}`;
}

function shareOf(percent: unknown): number | undefined {
  const number = Number(percent);
  return percent !== undefined && percent !== '' && Number.isFinite(number) ? Math.min(1, number / 100) : undefined;
}

/** Lines of the same event together, in the order of their first. */
function added(lines: readonly Line[], isScaled: boolean): PerfEvent[] {
  const events = new Map<string, PerfEvent>();
  for (const { name, count, runningShare } of lines) {
    const before = events.get(name);
    const isCount = typeof count === 'number';
    const own = isCount && !isScaled && runningShare !== undefined && runningShare > 0 ? count / runningShare : count;
    const sum = typeof own === 'number' ? (before?.count ?? 0) + own : before?.count;
    const shares = [before?.runningShare, isCount ? runningShare : undefined].filter((share) => share !== undefined);
    events.set(name, {
      name,
      count: sum,
      status: sum !== undefined ? 'counted' : (count as PerfEvent['status']),
      runningShare: shares.length === 0 ? undefined : Math.min(...shares),
    });
  }
  return [...events.values()];
}
