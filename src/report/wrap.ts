/** Lines for a terminal of 80 columns. */
import { clipped, textColumns } from './visible.ts';

const LINE = 80;
/** A number and its unit stay together. */
const AMOUNT =
  /(?<=^|[ (])([+−]?\d[\d.]*[MGTP]?) (?=(?:%|[nµm]?s|[KMGT]iB|bytes|Gbit\/s|[nµm]?s\/GB|times)(?:[ ,.;:)]|$))/g;
const NO_BREAK = '\u00a0';

/** The text with spaces inside amounts at which no line breaks. */
export const unbroken = (text: string): string => text.replace(AMOUNT, `$1${NO_BREAK}`);

/** Text in lines of at most 80 columns, cut at spaces; those after the first are indented by two more. Words are never cut. */
export function wrapped(text: string): string {
  const indent = /^ */.exec(text)![0];
  const lines = [''];
  for (const part of unbroken(text.trimStart()).split(' ')) {
    const word = part.replaceAll(NO_BREAK, ' ');
    const last = lines.at(-1)!;
    if (last !== '' && indent.length + textColumns(last) + 1 + textColumns(word) > LINE) lines.push(`  ${word}`);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => indent + line).join('\n');
}

/** Text in lines of at most `width` columns, cut at spaces; a longer word loses its end. */
export function inLines(text: string, width: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = clipped(word, width);
    else if (textColumns(last) + 1 + textColumns(word) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(clipped(word, width));
  }
  return lines.join('\n');
}
