import { type LoadOptions, loadText, type Scenario } from '../../src/scenario/load.ts';
import { problemLines } from '../../src/scenario/problem.ts';

/** A small scenario without mistakes; `extra` is appended. */
export const SMALL = `question: What?
machine:
  preset: generic
tenants:
  host:
    mode: host
    policy: static
    devices:
      dev:
        traffic: { model: uniform, windowBytes: 64KiB, transferBytes: 64 }
run:
  requests: 1000
`;

export function load(text: string, options: LoadOptions = {}): Scenario {
  const loaded = loadText(text, 'test.yaml', options);
  if (!loaded.ok) throw new Error(problemLines(loaded.problems).join('\n'));
  return loaded.scenario;
}

export function problems(text: string, options: LoadOptions = {}): string[] {
  const loaded = loadText(text, 'test.yaml', options);
  return loaded.ok ? [] : problemLines(loaded.problems);
}
