/** Charts as files of their own: SVG that follows the reader's light or dark setting, PNG for slides. */
import { Resvg } from '@resvg/resvg-js';
import { assetPath } from './asset.ts';
import type { Drawing } from './chart.ts';
import { escapeXml } from './escape.ts';
import { WIDE } from './sizes.ts';
import { shortened, textWidth } from './text-width.ts';
import { COLOURS, colour, FONT } from './theme.ts';

/** Pixels of the PNG for one of the SVG: sharp on screens and slides. */
const PNG_ZOOM = 2;

const TITLE_PX = 16;
const CAPTION_PX = 12;
const MARGIN_PX = 8;

/** The picture with title, caption and background. */
export function standaloneSvg(drawing: Drawing, picture: string): string {
  const [, left, top] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(picture)!.map(Number);
  const width = Math.max(left, WIDE) + 2 * MARGIN_PX;
  const heading = headingOf(drawing, width - 2 * MARGIN_PX);
  const height = heading.height + top + 2 * MARGIN_PX;
  const inner = picture.replace(/^<svg[^>]*>/, '').replace(/<\/svg>$/, '');
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family='${FONT}'>
<title>${escapeXml(drawing.title)}</title><desc>${escapeXml(drawing.description)}</desc>
<style>${darkRules()}</style>
<rect width="${width}" height="${height}" fill="${colour('paper')}"/>
${heading.text}
<g transform="translate(${MARGIN_PX},${MARGIN_PX + heading.height})" fill="none" stroke-miterlimit="4">${inner}</g>
</svg>
`;
}

/** Title and caption in lines that fit. */
function headingOf({ title, caption }: Drawing, width: number): { text: string; height: number } {
  const lines = [
    ...wrapped(title, width, TITLE_PX).map((text) => ({ text, size: TITLE_PX, fill: colour('ink') })),
    ...wrapped(caption, width, CAPTION_PX).map((text) => ({ text, size: CAPTION_PX, fill: colour('muted') })),
  ];
  let y = 0;
  const texts = lines.map(({ text, size, fill }) => {
    y += size + 5;
    return `<text x="${MARGIN_PX}" y="${y + MARGIN_PX - 3}" font-size="${size}px" fill="${fill}">${escapeXml(text)}</text>`;
  });
  return { text: texts.join('\n'), height: y + 12 };
}

/** Lines of at most `width` pixels. */
function wrapped(text: string, width: number, fontSize: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of shortened(text, MOST_CHARACTERS).split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && textWidth(longer, fontSize) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
const MOST_CHARACTERS = 600;

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
