import { escapeText } from '../escape.ts';
import { fontFamily, tones } from '../theme.ts';
import { type Canvas, titleLines } from './canvas.ts';

/** An SVG document on paper, for what is drawn without Vega. */
export function svgDocument(width: number, height: number, content: string): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">` +
    `<rect width="${w}" height="${h}" fill="${tones.paper.light}"/>` +
    `<g font-family="${fontFamily}">${content}</g></svg>`
  );
}

/** Title and subtitle as Vega sets them, and the height they take. */
export function svgTitle(heading: { title: string; subtitle?: string[] }, canvas: Canvas, padding: number) {
  const { text, subtitle } = titleLines(heading, canvas);
  let y = padding;
  const line = (content: string, size: number, weight: number, colour: string) => {
    y += size + 4;
    return `<text x="${padding}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${colour}">${escapeText(content)}</text>`;
  };
  const svg = [
    ...text.map((one) => line(one, 15, 600, tones.ink.light)),
    ...subtitle.map((one) => line(one, 12, 400, tones.faint.light)),
  ].join('');
  return { svg, height: y + 14 };
}
