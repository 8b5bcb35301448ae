/**
 * Quantities with units, as scenario files and flags write them: `4KiB`, `100Gbps`, `2us`.
 *
 * A number without a unit is in the unit its key ends with (`durationNs: 2000`); a string carries its own.
 */
export type Dimension = 'bytes' | 'ns' | 'gbps';

/** Factor to the base unit of the dimension (bytes, nanoseconds, gigabits a second). */
const UNITS: Readonly<Record<Dimension, Readonly<Record<string, number>>>> = {
  bytes: {
    B: 1,
    KiB: 1024,
    MiB: 1024 ** 2,
    GiB: 1024 ** 3,
    TiB: 1024 ** 4,
    kB: 1e3,
    MB: 1e6,
    GB: 1e9,
    TB: 1e12,
  },
  ns: { ps: 1e-3, ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9 },
  gbps: { kbps: 1e-6, Mbps: 1e-3, Gbps: 1, Tbps: 1e3 },
};

const EXAMPLE: Readonly<Record<Dimension, string>> = { bytes: '4KiB', ns: '2us', gbps: '100Gbps' };
const NAME: Readonly<Record<Dimension, string>> = {
  bytes: 'a size in bytes',
  ns: 'a time in ns',
  gbps: 'a rate in Gbit/s',
};

/** What a value of this dimension may look like, for messages: `a size in bytes, or with a unit such as 4KiB`. */
export function quantityHint(dimension: Dimension): string {
  return `${NAME[dimension]}, or with a unit such as ${EXAMPLE[dimension]}`;
}

export type Quantity = { readonly value: number } | { readonly error: string };

/**
 * The value of `text` in the dimension's base unit, or what is wrong with it.
 * Sizes come out as whole bytes and times as whole picoseconds (a multiple of 0.001 ns), or not at all.
 */
export function parseQuantity(text: string, dimension: Dimension): Quantity {
  const match = /^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?|0[xX][0-9a-fA-F]+)\s*([A-Za-zµμ]*)\s*$/.exec(text);
  if (match === null) return { error: `${show(text)} is not ${quantityHint(dimension)}` };
  const [, digits = '', unit = ''] = match;
  if (unit === '') return { error: `${show(text)} has no unit; expected a unit such as ${EXAMPLE[dimension]}` };
  const factor = Object.hasOwn(UNITS[dimension], unit) ? UNITS[dimension][unit] : undefined;
  if (factor === undefined) {
    return { error: `unknown unit ${show(unit)}; expected one of ${Object.keys(UNITS[dimension]).join(', ')}` };
  }
  return exact(Number(digits) * factor, dimension, text);
}

/** A bare number taken in the base unit of the dimension. */
export function bareQuantity(value: number, dimension: Dimension): Quantity {
  return exact(value, dimension, String(value));
}

function exact(value: number, dimension: Dimension, text: string): Quantity {
  if (!Number.isFinite(value)) return { error: `${show(text)} is not a finite number` };
  if (dimension === 'gbps') return { value };
  const perUnit = dimension === 'ns' ? 1000 : 1;
  const whole = Math.round(value * perUnit);
  if (Math.abs(value * perUnit - whole) > 1e-9 * Math.max(1, Math.abs(whole))) {
    const finest = dimension === 'ns' ? 'picoseconds' : 'bytes';
    return { error: `${show(text)} is not a whole number of ${finest}` };
  }
  return { value: whole / perUnit };
}

/** Dimension of a key by its ending (`windowBytes`, `durationNs`, `gbps`), or undefined. */
export function dimensionOf(key: string): Dimension | undefined {
  if (key.endsWith('Bytes')) return 'bytes';
  if (key.endsWith('Ns')) return 'ns';
  return /gbps$/i.test(key) ? 'gbps' : undefined;
}

/** `text` quoted and cut for a message, control characters made visible. */
export function show(value: unknown): string {
  const isPlain = typeof value === 'bigint' || typeof value === 'number';
  const text = isPlain ? String(value) : (JSON.stringify(value) ?? String(value));
  // JSON leaves DEL, C1 controls and bidirectional overrides as they are: a terminal must not act on them.
  const visible = text.replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return visible.length > 60 ? `${visible.slice(0, 57)}…` : visible;
}

/** Text for a terminal or a name: quotes only where they are needed. */
export function printable(text: string): string {
  const shown = show(text);
  return shown === `"${text}"` ? text : shown.slice(1, -1);
}
