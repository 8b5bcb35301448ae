/** Lines for a terminal of 80 columns. */
import { textColumns } from './visible.ts';

const LINE = 80;

/** Text in lines of at most 80 columns, cut at spaces; those after the first are indented by two more. Words are never cut. */
export function wrapped(text: string): string {
  const indent = /^ */.exec(text)![0];
  const lines = [''];
  for (const word of text.trimStart().split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && indent.length + textColumns(last) + 1 + textColumns(word) > LINE) lines.push(`  ${word}`);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => indent + line).join('\n');
}
