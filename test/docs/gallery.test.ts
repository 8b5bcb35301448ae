/** The gallery and the README have every ready-made scenario, and what the gallery shows is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const place = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const textOf = (path: string): string => readFileSync(place(path), 'utf8');

const scenarios = readdirSync(place('scenarios'))
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace(/\.yaml$/, ''));
const gallery = textOf('docs/GALLERY.md');
const sections = new Map(gallery.split(/^## /m).map((section) => [section.split('\n')[0], section]));

describe('docs/GALLERY.md', () => {
  it.each(scenarios)('shows %s: question, answer, picture and command', (name) => {
    const section = sections.get(name) ?? '';
    const { question } = parse(textOf(`scenarios/${name}.yaml`)) as { question: string };
    expect(section).toContain(`**${question}**`);
    expect(section).toMatch(/^- .*\d/m);
    expect(section).toContain(`](gallery/${name}.svg)`);
    expect(section).toContain(`nestwalk run ${name}`);
    expect(existsSync(place(`docs/gallery/${name}.svg`))).toBe(true);
    expect(textOf('README.md')).toContain(`| \`${name}\` |`);
  });

  it('shows nothing else', () => {
    expect([...sections.keys()].slice(1).sort()).toEqual([...scenarios].sort());
    expect(readdirSync(place('docs/gallery')).sort()).toEqual(scenarios.map((name) => `${name}.svg`).sort());
  });
});
