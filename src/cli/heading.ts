import { visible } from '../report/visible.ts';
import { wrapped } from '../report/wrap.ts';
import { resultColours } from './terminal.ts';

/** `name: question`, the name in bold, in lines of at most 80 columns. */
export function heading({ name, question }: { readonly name: string; readonly question: string }): string {
  const shown = visible(name);
  const text = wrapped(`${shown}: ${visible(question)}`);
  return text.startsWith(shown) ? resultColours.bold(shown) + text.slice(shown.length) : text;
}
