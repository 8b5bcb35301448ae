/**
 * Width of text where there is no canvas to measure it: Vega would take 0.8 em a character and cut labels that fit.
 * DejaVu Sans, which the PNG files use, is as wide as any font of a page, so nothing overlaps there either.
 */

/** Advance widths of DejaVu Sans 2.37 in thousandths of the size: characters 32 to 126, from its hmtx table. */
const ASCII = [
  318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
  636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
  748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
  615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
  337, 636, 838,
];
/** No letter of a script that runs in lines is wider than a square. */
const OTHER = 1000;

/** Pixels that one line of `text` takes. */
export function textWidth(text: string, fontSize: number): number {
  let thousandths = 0;
  for (const character of text) thousandths += ASCII[character.codePointAt(0)! - 32] ?? OTHER;
  return (thousandths * fontSize) / 1000;
}

/** `text` cut in the middle, where names differ least, to at most `limit` characters; whole characters only. */
export function shortened(text: string, limit: number): string {
  const characters = Array.from(text);
  if (characters.length <= limit) return text;
  const tail = Math.floor((limit - 1) / 2);
  return `${characters.slice(0, limit - 1 - tail).join('')}…${characters.slice(-tail).join('')}`;
}

/** Short labels, each different from all others, in the order of `names`. Line breaks and control characters become spaces. */
export function uniqueLabels(names: readonly string[], limit: number): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const short = shortened(name.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' '), limit);
    let label = short;
    for (let i = 2; taken.has(label); i++) label = `${short} (${i})`;
    taken.add(label);
    return label;
  });
}
