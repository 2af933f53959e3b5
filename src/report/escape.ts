const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Without the characters that XML has no room for, however they are escaped: readers of SVG refuse the whole file for one. */
export const withoutControls = (text: string): string => text.replace(/(?![\t\n\r])[\p{Cc}\ufffe\uffff]/gu, '');

/** Text as HTML and SVG take it, between tags and in attributes. Control characters are left out. */
export function escapeText(text: string): string {
  return withoutControls(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** Text as HTML takes it: what stands between backticks is code, as in the texts for a terminal. */
export const prose = (text: string): string =>
  escapeText(text).replace(/`([^`\n]+)`/g, (_, code) => `<code>${code}</code>`);

/** Breaks a line at spaces. A word longer than `width` stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
