/**
 * Colours, type and spacing of all charts.
 *
 * The hues follow Okabe and Ito (2008), which people with any colour vision tell apart, darkened until each has 3:1 on white
 * (WCAG 2.2, 1.4.11). A colour is written as its light value everywhere; a page replaces it by a variable and so turns
 * dark without drawing anything again.
 */

/** Token → light and dark value. The light value stands for the token in specs and SVG text: none may occur twice. */
export const COLOURS = {
  ink: ['#1f2329', '#e8ecf1'],
  muted: ['#57606b', '#a3adb9'],
  rule: ['#8b949e', '#77818c'],
  grid: ['#e1e5ea', '#2b323a'],
  paper: ['#fffffd', '#12161b'],
  /** Text on strong and on pale fills. */
  onstrong: ['#fffffe', '#0f1317'],
  onpale: ['#1f232a', '#f2f5f8'],
  c0: ['#0065a9', '#58abe8'],
  c1: ['#bf4a00', '#f4934a'],
  c2: ['#00785b', '#42bd98'],
  c3: ['#993f80', '#da92c2'],
  c4: ['#7d6400', '#d9bc4c'],
  c5: ['#4d5664', '#a9b3c0'],
  // Levels of a stage: the leaf's table strongest.
  g0: ['#08519c', '#7dbbf5'],
  g1: ['#2f7dbf', '#4f93d2'],
  g2: ['#69abd6', '#3874ad'],
  g3: ['#9ecae2', '#295a8a'],
  g4: ['#c9def0', '#1f456c'],
  h0: ['#a33503', '#f8ac70'],
  h1: ['#d4621b', '#db833f'],
  h2: ['#f08d4b', '#b2652d'],
  h3: ['#fcb280', '#8a4c20'],
  h4: ['#fdd3a8', '#693a19'],
} as const satisfies Record<string, readonly [string, string]>;
export type Token = keyof typeof COLOURS;

export const colour = (token: Token): string => COLOURS[token][0];

/** Colours of series, in order. Their number is what people can tell apart. */
export const SERIES: readonly string[] = [0, 1, 2, 3, 4, 5].map((i) => colour(`c${i}` as Token));

/** Families of the page; the shipped font draws the PNG. */
export const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';
export const FONT_SIZE = 12;

/** Vega-Lite configuration of every chart. */
export function config(): object {
  const text = { labelFontSize: FONT_SIZE, titleFontSize: FONT_SIZE, labelColor: colour('muted') };
  return {
    aria: false,
    background: null,
    font: FONT,
    padding: 4,
    view: { stroke: null },
    text: { fontSize: FONT_SIZE, color: colour('ink') },
    axis: {
      ...text,
      titleColor: colour('ink'),
      titleFontWeight: 'normal',
      gridColor: colour('grid'),
      domainColor: colour('rule'),
      tickColor: colour('rule'),
      tickSize: 4,
      labelPadding: 4,
      titlePadding: 8,
      labelLimit: 220,
      labelOverlap: true,
    },
    legend: {
      ...text,
      orient: 'top',
      direction: 'horizontal',
      title: null,
      titleFontWeight: 'normal',
      titleColor: colour('ink'),
      symbolType: 'square',
      symbolSize: 90,
      labelColor: colour('ink'),
      columnPadding: 14,
      rowPadding: 4,
      labelLimit: 260,
      offset: 8,
    },
    header: { ...text, title: null, labelColor: colour('ink') },
  };
}
