/** manifest.json, read back and checked: it may come from another version, or from an editor. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ReportProblem } from './problem.ts';

const value = z.union([z.string(), z.number(), z.boolean()]);
const tenant = z.looseObject({ name: z.string(), mode: z.string(), policy: z.string() });
const point = z.looseObject({
  point: z.string(),
  seeds: z.array(z.number()),
  values: z.record(z.string(), value),
  machine: z.looseObject({
    preset: z.string(),
    estimates: z.array(z.string()),
    sources: z.array(z.object({ path: z.string(), source: z.string() })),
  }),
  os: z.looseObject({}),
  tenants: z.array(tenant),
  run: z.looseObject({ intervalNs: z.number() }),
});
const measured = z.object({
  metric: z.string(),
  source: z.string(),
  tolerance: z.number().optional(),
  points: z.record(z.string(), z.number()),
});
const schema = z.looseObject({
  program: z.literal('nestwalk'),
  version: z.string(),
  scenario: z.string(),
  runId: z.string(),
  question: z.string(),
  answers: z.array(z.string()),
  command: z.string().default(''),
  table: z.array(z.string()).default([]),
  measured: z.array(measured).default([]),
  files: z.record(z.string(), z.string()),
  points: z.array(point).min(1),
});

export type ManifestFile = z.infer<typeof schema>;
export type ManifestPoint = z.infer<typeof point>;

/** Throws ReportProblem when there is none, or when it is none of ours. */
export function readManifest(directory: string): ManifestFile {
  const path = join(directory, 'manifest.json');
  return checked(json(path), path);
}

/** The same for a text that is not in a file yet. */
export const parseManifest = (text: string, name: string): ManifestFile => checked(JSON.parse(text), name);

function checked(content: unknown, path: string): ManifestFile {
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ReportProblem(`${path}: ${issue.path.join('.') || 'manifest'}: ${issue.message}`);
}

function json(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new ReportProblem(`${path}: not JSON (${error.message}); is it cut off?`);
    throw new ReportProblem(`${path}: ${(error as Error).message}`);
  }
}
