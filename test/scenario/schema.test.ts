import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bundledScenarios } from '../../src/scenario/files.ts';
import { scenarioJsonSchema } from '../../src/scenario/schema.ts';

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
}

describe('the JSON Schema for editors', () => {
  const schema = scenarioJsonSchema() as JsonSchema;

  it('is the one in docs/ (nestwalk schema > docs/scenario.schema.json)', () => {
    expect(JSON.parse(readFileSync('docs/scenario.schema.json', 'utf8'))).toEqual(schema);
  });

  it('is what the first line of every bundled scenario names', () => {
    for (const name of bundledScenarios()) {
      const [first] = readFileSync(`scenarios/${name}.yaml`, 'utf8').split('\n');
      expect(first).toBe('# yaml-language-server: $schema=../docs/scenario.schema.json');
    }
  });

  it('knows the sections and refuses other ones', () => {
    const sections = ['question', 'machine', 'os', 'tenants', 'run', 'sweep', 'table', 'answer', 'measured'];
    expect(Object.keys(schema.properties!)).toEqual(sections);
    expect(schema.required).toEqual(['question', 'tenants', 'run']);
    expect(schema.additionalProperties).toBe(false);
  });

  it('has the paths that scripts rely on', () => {
    const { machine, run } = schema.properties!;
    expect(Object.keys(machine.properties!['iotlb'].properties!)).toEqual(expect.arrayContaining(['entries', 'ways']));
    expect(machine.properties).toHaveProperty('walkers');
    expect(run.properties).toHaveProperty('requests');
    expect(run.properties).toHaveProperty('seeds');
  });
});
