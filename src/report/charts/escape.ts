/** Text of the user as text between tags and in attributes, of XML and HTML. */
export function escapeXml(text: string): string {
  return withoutControls(text).replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** Control characters and lone surrogates, for which XML has no place, become the replacement character. */
export function withoutControls(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    '\ufffd',
  );
}
