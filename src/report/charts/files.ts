/** Charts as files of their own: SVG that follows the reader's light or dark setting, PNG for slides. */
import { Resvg } from '@resvg/resvg-js';
import { assetPath } from './asset.ts';
import type { Drawing } from './chart.ts';
import { escapeXml } from './escape.ts';
import { svgOf, WIDE } from './render.ts';
import { COLOURS, colour, FONT } from './theme.ts';

/** Pixels of the PNG for one of the SVG: sharp on screens and slides. */
const PNG_ZOOM = 2;

/** SVG with title, caption and background. */
export async function standaloneSvg(drawing: Drawing): Promise<string> {
  const bare = await svgOf(drawing, WIDE, true);
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(bare)!;
  const head = `<title>${escapeXml(drawing.title)}</title><desc>${escapeXml(drawing.description)}</desc>`;
  const paper = `<rect width="${width}" height="${height}" fill="${colour('paper')}"/>`;
  const open = /^<svg[^>]*>/.exec(bare)![0];
  const opened = open.replace('<svg', `<svg role="img" font-family='${FONT}'`);
  return `${opened}${head}<style>${darkRules()}</style>${paper}${bare.slice(open.length)}\n`;
}

/** Each colour turns into its dark value where the reader's system is dark. */
function darkRules(): string {
  const rules = Object.values(COLOURS).map(
    ([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`,
  );
  return `@media (prefers-color-scheme:dark){${rules.join('')}}`;
}

/** The SVG in its light colours, drawn with the font that comes along: the same pixels everywhere. */
export function pngOf(svg: string): Buffer {
  const font = {
    fontFiles: [assetPath('DejaVuSans.ttf')],
    loadSystemFonts: false,
    defaultFontFamily: 'DejaVu Sans',
    sansSerifFamily: 'DejaVu Sans',
  };
  const picture = new Resvg(svg.replace(/<style>[^]*?<\/style>/, ''), {
    font,
    fitTo: { mode: 'zoom', value: PNG_ZOOM },
  });
  return picture.render().asPng();
}
