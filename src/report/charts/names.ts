/** Names of what stands in rows of bars or dots, written above them where they stand, in place of a legend. */
import type { Row, Spec } from './chart.ts';
import { NARROW } from './sizes.ts';
import { textWidth } from './text-width.ts';
import { colour, FONT_SIZE } from './theme.ts';

/** A name in a line above the rows. */
export interface Name {
  readonly name: string;
  readonly colour: string;
  readonly shape: string;
  /** Pixels from the left of the plot: the middle of what it names. */
  readonly px: number;
}

/** More are easier read as a list. */
const MOST_NAMES = 6;
const MOST_LINES = 3;
const SWATCH_PX = 15;
const GAP_PX = 14;

/** The lines for names as values of the nominal axis of rows; no label of a row is nothing but spaces. */
const LINES = ['\u00a0', '\u00a0\u00a0', '\u00a0\u00a0\u00a0'];

export interface NameLines {
  /** Values to put before the labels of the axis of rows. */
  readonly lines: readonly string[];
  readonly rows: readonly Row[];
}

/**
 * Places names in as few lines as they fit in, in the order given; undefined: there are too many. `toValue` turns pixels
 * into values of the horizontal axis, `panel` goes into each row.
 */
export function nameLines(
  names: readonly Name[],
  plotPx: number,
  toValue: (px: number) => number,
  base: Row,
): NameLines | undefined {
  if (names.length > MOST_NAMES) return undefined;
  for (let count = 1; count <= MOST_LINES; count++) {
    const lines = LINES.slice(0, count);
    const split = lines.map((_, line) => names.filter((__, i) => i % count === line));
    if (split.some((line) => line.reduce((sum, one) => sum + widthOf(one), -GAP_PX) > plotPx)) continue;
    const rows = split.flatMap((line, i) => {
      const left = spreadAlong(line, plotPx);
      return line.map(
        ({ name, colour: shade, shape }, k): Row => ({
          ...base,
          point: lines[i],
          series: name,
          shade,
          shape,
          swatchAt: toValue(left[k] + 5),
          nameAt: toValue(left[k] + SWATCH_PX),
        }),
      );
    });
    return { lines, rows };
  }
  return undefined;
}

const widthOf = ({ name }: Name): number => SWATCH_PX + textWidth(name, FONT_SIZE) + GAP_PX;

/** Left ends: each name centred where it belongs, moved as far as its neighbours and the plot ask. */
function spreadAlong(names: readonly Name[], plotPx: number): number[] {
  const left: number[] = [];
  let free = 0;
  for (const [i, one] of names.entries()) {
    left[i] = Math.max(free, one.px - (widthOf(one) - GAP_PX) / 2);
    free = left[i] + widthOf(one);
  }
  let end = plotPx + GAP_PX;
  for (let i = names.length - 1; i >= 0; i--) {
    left[i] = Math.min(left[i], end - widthOf(names[i]));
    end = left[i];
  }
  return left;
}

/** Which of the rows of `nameLines` are for this width: charts hold those of both. */
export const layoutOf = (width: number): string => (width < NARROW ? 'slim' : 'wide');

/** Layers that write them: `x` is the channel of the axis, its field replaced; `filter` takes the rows of this view. */
export function nameLayers(x: object, filter: string): Spec[] {
  const data = { name: 'names' };
  const transform = [{ filter }];
  return [
    {
      data,
      transform,
      mark: { type: 'point', filled: true, size: 80, opacity: 1 },
      encoding: {
        x: { ...x, field: 'swatchAt' },
        color: { field: 'shade', type: 'nominal', scale: null },
        shape: { field: 'shape', type: 'nominal', scale: null },
      },
    },
    {
      data,
      transform,
      mark: { type: 'text', align: 'left', baseline: 'middle', color: colour('ink') },
      encoding: { x: { ...x, field: 'nameAt' }, text: { field: 'series' } },
    },
  ];
}
