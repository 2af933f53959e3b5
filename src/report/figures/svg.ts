import { escapeText } from '../escape.ts';
import { fontFamily, tones } from '../theme.ts';
import { type Canvas, titleLines } from './canvas.ts';

/** An SVG document with a background, for drawings without Vega. */
export function svgDocument(width: number, height: number, content: string): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">` +
    `<rect width="${w}" height="${h}" fill="${tones.paper.light}"/>` +
    `<g font-family="${fontFamily}">${content}</g></svg>`
  );
}

/** Title and subtitle in Vega's style, and their height. */
export function svgTitle(heading: { title: string; subtitle?: string[] }, canvas: Canvas, padding: number) {
  const { text, subtitle } = titleLines(heading, canvas);
  let y = padding;
  const line = (content: string, size: number, weight: number, color: string) => {
    y += size + 4;
    return `<text x="${padding}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${color}">${escapeText(content)}</text>`;
  };
  const svg = [
    ...text.map((words) => line(words, 15, 600, tones.ink.light)),
    ...subtitle.map((words) => line(words, 12, 400, tones.faint.light)),
  ].join('');
  return { svg, height: y + 14 };
}
