// What the generated pages share.

/** A table from headings and rows of cells. */
export function table(headings, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(headings), `|${headings.map(() => ' --- ').join('|')}|`, ...rows.map(line)].join('\n');
}

/** Text that stays one cell, whatever it holds. */
function cell(text) {
  return String(text).replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');
}

export const code = (text) => (text === '' ? '' : `\`${text}\``);
export const fenced = (text, language = '') => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;

/** `nestwalk …` as words, quotes taken off. */
export function words(command) {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
}
