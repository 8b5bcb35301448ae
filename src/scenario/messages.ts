/** What zod found wrong → where it stands in the file, what is wrong with it and what is expected. */
import type { z } from 'zod';
import { join, type Raw } from './document.ts';
import { isMap, knownKeys, type PlaceFinder, valueAt } from './paths.ts';
import { didYouMean, nearest, type Problem } from './problem.ts';
import { scenarioSchema } from './schema.ts';
import { show } from './units.ts';

/** Unknown keys of one section that are compared with the known ones: nobody reads more. */
const MAX_HINTS = 100;

export function explain(issue: z.core.$ZodIssue, raw: Raw, finder: PlaceFinder): Problem[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(scenarioSchema, raw, path);
    return issue.keys.map((key, i) => {
      const hint = (i < MAX_HINTS && didYouMean(key, known)) || `; expected one of ${known.join(', ')}`;
      return { place: finder.key(join(path, key)), message: `unknown key ${show(key)}${hint}` };
    });
  }
  const value = valueAt(raw, issue.path.map(String));
  if (value === undefined)
    return [{ place: finder.value(path), message: `missing ${show(issue.path.at(-1))}${expectation(issue)}` }];
  return [{ place: finder.value(path), message: wrongValue(issue, value) }];
}

function wrongValue(issue: z.core.$ZodIssue, value: Raw): string {
  const options = optionsOf(issue);
  if (options !== undefined) {
    const hint = typeof value === 'string' && nearest(value, options) !== undefined ? didYouMean(value, options) : '';
    return `${described(value)} is not one of ${options.join(', ')}${hint}`;
  }
  // zod's own words begin so; the schema's say more.
  if (!/^(Invalid|Too) /.test(issue.message)) return issue.message;
  if (issue.code === 'invalid_type') return `${described(value)} is not ${KINDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'too_small' && Array.isArray(value)) return 'expected at least one value';
  return issue.message;
}

const KINDS: Readonly<Record<string, string>> = {
  object: 'a section',
  record: 'a section',
  array: 'a list',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

function expectation(issue: z.core.$ZodIssue): string {
  const options = optionsOf(issue);
  if (options !== undefined) return `; expected one of ${options.join(', ')}`;
  return issue.code === 'invalid_type' && KINDS[issue.expected] !== undefined
    ? `; expected ${KINDS[issue.expected]}`
    : '';
}

function optionsOf(issue: z.core.$ZodIssue): string[] | undefined {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union' && 'options' in issue) return (issue.options as unknown[]).map(String);
  return undefined;
}

function described(value: Raw): string {
  if (Array.isArray(value)) return 'a list';
  return isMap(value) ? 'a section' : value === null ? 'nothing' : show(value);
}
