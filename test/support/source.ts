/** Reading the project's own sources: files, syntax trees, functions. For the tests that enforce the law. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Paths below the project's root, sorted, with `/`. A folder that does not exist has no files. */
export function filesBelow(folder: string, pattern: RegExp): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
  return names
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => pattern.test(path))
    .sort();
}

export function readSource(path: string): string {
  return readFileSync(`${root}${path}`, 'utf8');
}

export function lineOf(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}

/** AssemblyScript's function decorators, which TypeScript does not have, alone on their lines. */
const ASSEMBLYSCRIPT = /^[ \t]*@(inline|unsafe|external\([^)\n]*\))[ \t]*$/gm;

/** Parses TypeScript; throws when the text is none. */
export function parse(path: string, source: string): SyntaxNode {
  const { program, errors } = parseSync(
    path,
    source.replace(ASSEMBLYSCRIPT, (line) => ' '.repeat(line.length)),
  );
  if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0]?.message}`);
  return program as unknown as SyntaxNode;
}

/** Visits every node, parents first, with its parent and the field it sits in. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parent: SyntaxNode | undefined, field: string) => void,
  parent?: SyntaxNode,
  at = '',
): void {
  visit(node, parent, at);
  for (const [field, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node, field);
    }
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';
}

export interface FunctionSize {
  readonly path: string;
  readonly line: number;
  readonly lines: number;
}

/** Every function with a body of its own, by length. */
export function functionSizes(path: string, source: string): FunctionSize[] {
  const sizes: FunctionSize[] = [];
  walk(parse(path, source), (node) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type) || !isNode(node.body))
      return;
    const line = lineOf(source, node.start);
    sizes.push({ path, line, lines: lineOf(source, node.end) - line + 1 });
  });
  return sizes;
}
