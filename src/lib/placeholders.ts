/**
 * Placeholders in a sentence of a scenario's answer: {metric @ point} is a value with its unit, {metric @ point vs other} the
 * change in percent, {metric @ point over other} how many times as much; {metric} is the value where there is one point. With "of" and
 * a name behind the metric it is one tenant's.
 */
export interface Placeholder {
  readonly metric: string;
  /** Undefined: the whole run's. */
  readonly tenant: string | undefined;
  /** Undefined: the only, or last, point. */
  readonly point: string | undefined;
  readonly other: string | undefined;
  readonly kind: 'value' | 'change' | 'times';
}

const BRACES = /\{([^{}]*)\}/g;
const FORM = /^\s*([a-z0-9_]+)(?:\s+of\s+([A-Za-z0-9_-]+))?\s*(?:@\s*(.+?)\s*(?:\s(vs|over)\s+(.+?)\s*)?)?$/;

function parse(text: string): Placeholder | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, metric, tenant, point, word, other] = match as unknown as [string, string, ...(string | undefined)[]];
  const kind = word === undefined ? 'value' : word === 'vs' ? 'change' : 'times';
  return { metric, tenant, point, other, kind };
}

/** A column of the result table: `metric`, or `metric of tenant`; undefined for a text that has no such form. */
export function tableMetric(text: string): Pick<Placeholder, 'metric' | 'tenant'> | undefined {
  const parsed = parse(text);
  return parsed?.kind === 'value' && parsed.point === undefined ? parsed : undefined;
}

/** As a table, a chart and the manifest call it. */
export const tableName = ({ metric, tenant }: Pick<Placeholder, 'metric' | 'tenant'>): string =>
  tenant === undefined ? metric : `${metric} of ${tenant}`;

/** Placeholders of a sentence in order; undefined for one that has no such form. */
export function placeholders(text: string): (Placeholder | undefined)[] {
  return [...text.matchAll(BRACES)].map(([, inner]) => parse(inner));
}

/** The sentence with each placeholder replaced. */
export function fillPlaceholders(text: string, value: (placeholder: Placeholder) => string): string {
  return text.replace(BRACES, (whole: string, inner: string) => {
    const placeholder = parse(inner);
    return placeholder === undefined ? whole : value(placeholder);
  });
}
