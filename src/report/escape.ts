const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Removes the characters that XML cannot contain, even escaped: readers of SVG refuse a whole file for one of them. */
export const removeControls = (text: string): string => text.replace(/(?![\t\n\r])[\p{Cc}\ufffe\uffff]/gu, '');

/** Escapes text for HTML and SVG, between tags and in attributes. Control characters are left out. */
export function escapeText(text: string): string {
  return removeControls(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** Escapes text for HTML; text between backticks becomes code. */
export const escapeProse = (text: string): string =>
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
