/** What kind of value a path of the scenario takes: decides how a range of it is divided and written. */
import type { z } from 'zod';
import type { Raw } from './document.ts';
import { schemaAt } from './paths.ts';
import { type Dimension, dimensionOf } from './units.ts';

export type QuantityKind = 'integer' | 'real' | Dimension;

interface NumberDef {
  readonly type: string;
  readonly format?: string;
  readonly options?: readonly z.core.$ZodType[];
}
const defOf = (schema: z.core.$ZodType): NumberDef => schema._zod.def;

/** undefined for words, switches, lists and sections: they have no order that a range could follow. */
export function quantityKind(root: z.core.$ZodType, raw: Raw, path: string): QuantityKind | undefined {
  const schema = schemaAt(root, raw, path);
  if (schema === undefined) return undefined;
  const options = (defOf(schema).options ?? [schema]).map(defOf);
  const numbers = options.filter(({ type }) => type === 'number');
  if (numbers.length === 0) return undefined;
  if (numbers.some(({ format }) => format === 'safeint')) return 'integer';
  // A quantity takes a number, or text with a unit; a plain real takes numbers only.
  return options.some(({ type }) => type === 'string') ? dimensionOf(path.split('.').at(-1)!) : 'real';
}
