/**
 * YAML or JSON text → plain values, each with its place in the file.
 *
 * The tree is walked here instead of by the YAML library's own conversion, because hostile files must neither hang nor
 * exhaust memory (aliases that multiply, deep nesting, very many keys) and because every value needs its line and column.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { Place, Problem } from './problem.ts';
import { show } from './units.ts';

const MAX_VALUES = 100_000;
const MAX_DEPTH = 32;

export type Raw = null | boolean | number | bigint | string | Raw[] | RawMap;
export interface RawMap {
  [key: string]: Raw;
}

/** Places of values and of their keys by path (`machine.iotlb.entries`; '' is the whole file). */
export interface Places {
  readonly values: Map<string, Place>;
  readonly keys: Map<string, Place>;
}

export interface RawDocument {
  /** undefined when the text could not be read as a whole; other problems leave the rest usable. */
  readonly value: Raw | undefined;
  readonly places: Places;
  readonly problems: readonly Problem[];
}

/** Parses one document. */
export function parseText(text: string, file: string): RawDocument {
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const empty: Places = { values: new Map([['', at(0)]]), keys: new Map() };
  const failed = (problems: readonly Problem[]): RawDocument => ({ value: undefined, places: empty, problems });
  try {
    // uniqueKeys is off because its check takes quadratic time; the walk below checks with a set.
    const document = parseDocument(text, {
      lineCounter: lines,
      intAsBigInt: true,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'error',
    });
    const all = [...document.errors, ...document.warnings];
    // What follows an overflow of the parser's stack is about the parser.
    const overflow = all.find((error) => OVERFLOW.test(error.message));
    const found = overflow === undefined ? all.slice(0, 20) : [overflow];
    if (found.length > 0) return failed(found.map((e) => ({ place: at(e.pos[0]), message: syntaxMessage(e.message) })));
    return new Walk(at).run(document.contents);
  } catch (error) {
    // Text nested thousands deep overflows the parser's stack; anything else it throws is about the text as well.
    const reason = error instanceof RangeError ? 'nested too deep' : (error as Error).message;
    return failed([{ place: at(0), message: `not valid YAML: ${reason}` }]);
  }
}

const OVERFLOW = /call stack/;

function syntaxMessage(message: string): string {
  if (OVERFLOW.test(message)) return 'not valid YAML: nested too deep';
  if (message.startsWith('Source contains multiple documents'))
    return 'a second document begins; expected one scenario';
  return `not valid YAML: ${message.replace(/\s+/g, ' ').slice(0, 200)}`;
}

/** A value given on the command line (`--set path=value`), read like a YAML value: `64`, `4KiB`, `[1, 2]`. */
export function parseValue(text: string, flag: string): { readonly value: Raw; readonly problems: readonly Problem[] } {
  const { value = null, problems } = parseText(text, flag);
  return { value, problems: problems.map((problem) => ({ place: { flag }, message: problem.message })) };
}

interface Pair {
  readonly key: Node | null;
  readonly value: Node | null;
}

class Walk {
  private readonly at: (offset: number) => Place;
  /** Nodes by anchor, filled in document order: an alias means the latest anchor before it. */
  private readonly anchors = new Map<string, Node>();
  private readonly problems: Problem[] = [];
  private readonly places: Places = { values: new Map(), keys: new Map() };
  private count = 0;
  private broken = false;

  constructor(at: (offset: number) => Place) {
    this.at = at;
  }

  run(contents: Node | null): RawDocument {
    const value = this.convert(contents, '', 0, this.at(0));
    return { value: this.broken ? undefined : value, places: this.places, problems: this.problems };
  }

  /** `usedAt`: where an alias was written; a value from an anchor is reported there. */
  private convert(node: Node | null, path: string, depth: number, parent: Place, usedAt?: Place): Raw {
    const place = usedAt ?? (node?.range ? this.at(node.range[0]) : parent);
    if (++this.count > MAX_VALUES) {
      return this.giveUp(place, `more than ${MAX_VALUES} values (aliases counted as often as used)`);
    }
    this.places.values.set(path, place);
    if (depth > MAX_DEPTH) return this.giveUp(place, `nested deeper than ${MAX_DEPTH} levels`);
    if (node === null) return null;
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      return target === undefined
        ? this.giveUp(place, 'alias without anchor')
        : this.convert(target, path, depth + 1, place, place);
    }
    if (usedAt === undefined && 'anchor' in node && node.anchor) this.anchors.set(node.anchor, node);
    if (isSeq(node)) return this.list(node.items as Node[], path, depth, place, usedAt);
    if (isMap(node)) return this.map(node.items as never, path, depth, place, usedAt);
    return isScalar(node) ? this.scalar(node.value, place) : this.giveUp(place, 'unknown kind of value');
  }

  private list(items: readonly Node[], path: string, depth: number, place: Place, usedAt?: Place): Raw {
    const list: Raw[] = [];
    for (const [i, item] of items.entries()) {
      if (this.count > MAX_VALUES) break;
      list.push(this.convert(item, join(path, String(i)), depth + 1, place, usedAt));
    }
    return list;
  }

  private map(items: readonly Pair[], path: string, depth: number, place: Place, usedAt?: Place): Raw {
    const map: RawMap = Object.create(null);
    for (const { key, value } of items) {
      const keyPlace = usedAt ?? (key?.range ? this.at(key.range[0]) : place);
      const name = this.keyName(key, keyPlace);
      if (name === undefined) continue;
      if (name in map) this.fail(keyPlace, `the key ${show(name)} is already there`);
      const inner = join(path, name);
      this.places.keys.set(inner, keyPlace);
      map[name] = this.convert(value, inner, depth + 1, keyPlace, usedAt);
      if (this.count > MAX_VALUES) break;
    }
    return map;
  }

  private keyName(key: Node | null, place: Place): string | undefined {
    if (
      isScalar(key) &&
      (typeof key.value === 'string' || typeof key.value === 'bigint' || typeof key.value === 'number')
    ) {
      // The text as written: a tenant called 007 stays 007.
      return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
    }
    this.fail(place, 'a key must be a plain word');
    return undefined;
  }

  private scalar(value: unknown, place: Place): Raw {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
      return value;
    return this.giveUp(place, 'expected a plain value');
  }

  private giveUp(place: Place, message: string): null {
    this.broken = true;
    return this.fail(place, message);
  }

  private fail(place: Place, message: string): null {
    // After the first overflow the rest of the walk says the same thing again and again.
    if (this.problems.length < 50 && this.problems.at(-1)?.message !== message) this.problems.push({ place, message });
    return null;
  }
}

export const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);
