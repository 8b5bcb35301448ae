/** Text of users on a terminal: it must show as text and take the room that it is given. */

/**
 * Controls (C0, DEL, C1), with which text could drive a terminal, line separators, and characters that turn the direction of
 * what follows, with which it could show something else than it says.
 */
const ACTING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Names and texts come from files: a terminal must not act on them. */
export const visible = (text: string): string => text.replace(ACTING, '?');

/** JSON for a terminal or a file, the same value: what a terminal would act on is written as \uXXXX. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(ACTING, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** East Asian scripts and pictures take two columns (Unicode Standard Annex 11). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const ASCII = /^[ -~]*$/;

const columnsOf = (grapheme: string): number => (WIDE.test(grapheme) ? 2 : 1);

/** Columns that a text takes on a terminal. */
export function textColumns(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of GRAPHEMES.segment(text)) columns += columnsOf(segment);
  return columns;
}

/** At most `width` columns, with … for what is left out. */
export function clipped(text: string, width: number): string {
  if (text.length <= width && textColumns(text) <= width) return text;
  let [kept, columns] = ['', 0];
  for (const { segment } of GRAPHEMES.segment(text)) {
    columns += columnsOf(segment);
    if (columns > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Filled up with spaces to `width` columns. */
export const padded = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - textColumns(text)));
