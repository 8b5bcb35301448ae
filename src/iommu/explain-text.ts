/** The steps of a translation as lines of at most 80 columns. */
import type { ExplainStep } from './explain.ts';

const LINE = 80;
const INDENT = 6;

/** Two lines and more a step: what was read and what it cost, then what it means, field by field. `totalNs`: the translation. */
export function explainText(steps: readonly ExplainStep[], totalNs: number): string[] {
  const restNs = totalNs - (steps.at(-1)?.sumNs ?? 0);
  const rest =
    restNs > 0.05 ? [costLine('     look-ups, overhead of a walk, waiting for walkers and fills', restNs)] : [];
  return [...steps.flatMap((step) => [headOf(step), ...details(step)]), ...rest];
}

/** The cost at the right edge. */
function costLine(text: string, costNs: number): string {
  const cost = `${costNs.toFixed(1)} ns`;
  return `${text}${cost.padStart(Math.max(2 + cost.length, LINE - text.length))}`;
}

function headOf(step: ExplainStep): string {
  const number = step.read === 0 ? '-' : String(step.read);
  const level = step.level === null ? '' : ` level ${step.level}`;
  const index = step.index === null ? '' : ` [${step.index}]`;
  const answer = step.source === 'prefetch' ? '' : ' hit';
  const place =
    step.read === 0 ? `${step.source}${level}${answer}` : `${step.source}${level}${index} at ${step.address}`;
  return costLine(`${number.padStart(3)}  ${place}`, step.costNs);
}

function details({ value, meaning, fields }: ExplainStep): string[] {
  const words = Object.entries(fields).map(([name, text]) => `${name}=${text}`);
  return [...wrapped(`${value}: ${meaning}`.split(' ')), ...(words.length > 0 ? wrapped(words) : [])];
}

function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= LINE) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(' '.repeat(INDENT) + word);
  }
  return lines;
}
