/** Drawing → SVG text: the same bytes for the same drawing, on any machine and Node version. */
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Drawing } from './chart.ts';
import { withoutControls } from './escape.ts';
import { textWidth } from './text-width.ts';
import { config } from './theme.ts';

/** Vega asks a canvas where it finds one; results must not depend on it. Its types leave this export out. */
type Shown = string | number | readonly string[] | null | undefined;
interface Measuring {
  readonly textMetrics: { width: (item: { readonly fontSize?: number }, text: Shown) => number };
}
(vega as unknown as Measuring).textMetrics.width = (item, text) =>
  textWidth(typeof text === 'object' ? (text ?? []).join('') : String(text ?? ''), item.fontSize ?? 11);

/** Vega-Lite warns about what charts mean, such as one legend for two panels. */
const logger = vega.logger(vega.Error);

/** Draws at `width` pixels, without title. */
export async function svgOf(drawing: Drawing, width: number): Promise<string> {
  const full = { datasets: drawing.data, ...drawing.spec(width), config: config() };
  const { spec } = compile(full as unknown as TopLevelSpec, { logger });
  const view = new vega.View(vega.parse(spec), { renderer: 'none' });
  try {
    return compact(await view.toSVG());
  } finally {
    view.finalize();
  }
}

const EMPTY_SHAPE = /<path class="(?:background|foreground)"(?![^>]*(?:fill|stroke)=)[^>]*\/>/g;
/** Marks that only carry tooltips, which a picture has not. */
const UNSEEN = /<path [^>]*opacity="0"\/>/g;
const DEFAULTS =
  / (?:opacity="1"|pointer-events="none"|role="[^"]*"|aria-[a-z]+="[^"]*"|stroke-width="1"|class="[^"]*"|font-family="[^"]*")/g;
const EMPTY_GROUP = /<g>(<\/g>)|<g (?:transform="translate\(0,0\)")?><\/g>/g;
const GEOMETRY = / (?:d|transform|x|y|x1|x2|y1|y2|width|height|viewBox)="[^"]*"/g;
const NUMBER = /-?\d+\.\d{2,}(?:e[-+]?\d+)?|-?\d+(?:\.\d+)?e[-+]?\d+/g;

/**
 * Half the text, and coordinates in hundredths of a pixel: digits behind that differ between versions of the mathematics
 * library. Between tags nothing is touched: there stands text of the user.
 */
function compact(svg: string): string {
  const tags = svg.replace(/<[^>]+>/g, (tag) =>
    tag.replace(DEFAULTS, '').replace(GEOMETRY, (attribute) => attribute.replace(NUMBER, rounded)),
  );
  return withoutControls(tags).replace(UNSEEN, '').replace(EMPTY_SHAPE, '').replace(EMPTY_GROUP, '');
}

const rounded = (text: string): string => String(Math.round(Number(text) * 100) / 100);
