/**
 * What code from sim/ down must not use, found in the syntax tree: comments, strings and property names do not count.
 * The reason of each ban is either determinism (other bits on another Node, time or place) or that the engine runs
 * where there is no Node.
 */
import { lineOf, parse, type SyntaxNode, walk } from './source.ts';

const GLOBALS = new Set([
  ...['process', 'console', 'Buffer', 'require', 'performance', 'navigator', 'crypto', 'globalThis', 'Intl', 'Date'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'eval', 'Function'],
]);
/** Math.pow changed its bits between Node 22 and 24; the trigonometric ones are free to. */
const MATH = new Set(['pow', 'random', 'sin', 'cos', 'tan', 'sinh', 'cosh', 'tanh', 'cbrt', 'hypot', 'log10', 'expm1']);

/** `path:line: what` for each violation, in the order of the text. */
export function impurities(path: string, source: string): string[] {
  const found: string[] = [];
  walk(parse(path, source), (node, parent, field) => {
    const what = impurity(node, parent, field);
    if (what !== undefined) found.push(`${path}:${lineOf(source, node.start)}: ${what}`);
  });
  return found;
}

function impurity(node: SyntaxNode, parent: SyntaxNode | undefined, field: string): string | undefined {
  switch (node.type) {
    case 'BinaryExpression':
    case 'AssignmentExpression':
      return String(node.operator).startsWith('**') && !isBigInt(node.right) ? String(node.operator) : undefined;
    case 'MemberExpression':
      return bannedMember(node);
    case 'Identifier':
      return isReference(parent, field) && GLOBALS.has(String(node.name)) ? String(node.name) : undefined;
    case 'ImportExpression':
      return 'import()';
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      return foreignModule(node.source);
    default:
      return undefined;
  }
}

function isBigInt(node: unknown): boolean {
  return typeof (node as SyntaxNode).bigint === 'string';
}

function bannedMember(node: SyntaxNode): string | undefined {
  const name = memberName(node);
  const object = node.object as SyntaxNode;
  if (object.type === 'Identifier' && object.name === 'Math' && (name === undefined || MATH.has(name))) {
    return `Math.${name ?? '[…]'}`;
  }
  return name !== undefined && /^(toLocale|localeCompare$)/.test(name) ? name : undefined;
}

function memberName(node: SyntaxNode): string | undefined {
  const property = node.property as SyntaxNode;
  if (node.computed !== true) return String(property.name);
  return property.type === 'Literal' ? String(property.value) : undefined;
}

/** An identifier that is looked up, not one that names a property, a key or a member. */
function isReference(parent: SyntaxNode | undefined, field: string): boolean {
  if (parent === undefined) return true;
  if (field === 'property') return parent.computed === true;
  if (field === 'key') return parent.computed === true;
  return field !== 'label' && parent.type !== 'TSQualifiedName';
}

function foreignModule(source: unknown): string | undefined {
  const name = (source as SyntaxNode | null)?.value;
  return typeof name === 'string' && !name.startsWith('.') ? `import of ${name}` : undefined;
}
