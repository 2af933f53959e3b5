/** Red, green and blue, each from 0 to 255. */
export type Rgb = [red: number, green: number, blue: number];

/**
 * Colors of the surface, in Oklab (Ottosson 2020), whose distances match perception. From the middle, where both classes are
 * equally likely, lightness and chroma change linearly to the ends: equal steps of probability look equally different, and neither class
 * stands out. Orange and blue are distinguishable with color blindness. The middle is the background of the page.
 */
const SCHEMES = {
  light: { middle: 0.975, end: 0.68, chroma: 0.125, point: 0.47, pointChroma: 0.13 },
  dark: { middle: 0.22, end: 0.6, chroma: 0.12, point: 0.82, pointChroma: 0.12 },
} as const;
export type Scheme = keyof typeof SCHEMES;

/** Hues of class 0, orange, and of class 1, blue, in degrees. */
const HUES = [55, 255] as const;
/** Number of colors of a map. */
export const LEVELS = 256;

/** Converts Oklab's lightness, chroma and hue to unrounded sRGB; outside of 0 to 255 for colors that screens cannot show. */
export function fromOklch(lightness: number, chroma: number, hue: number): Rgb {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((x) => 255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055)) as Rgb;
}

/** Color map from class 0 to class 1: [LEVELS, 3] bytes. */
export function colorMap(scheme: Scheme): Uint8ClampedArray {
  const { middle, end, chroma } = SCHEMES[scheme];
  const map = new Uint8ClampedArray(3 * LEVELS);
  for (let level = 0; level < LEVELS; level++) {
    const t = (2 * level) / (LEVELS - 1) - 1;
    const share = Math.abs(t);
    map.set(fromOklch(middle + share * (end - middle), share * chroma, HUES[t < 0 ? 0 : 1]), 3 * level);
  }
  return map;
}

/** Color of a class's points and of text about it: the hue of the surface, with contrast to all of its colors. */
export function pointColor(scheme: Scheme, label: number): string {
  const { point, pointChroma } = SCHEMES[scheme];
  return `rgb(${fromOklch(point, pointChroma, HUES[label === 0 ? 0 : 1])
    .map(Math.round)
    .join(' ')})`;
}

/** Colors of outlines of points and of lines. */
export const inks: Record<Scheme, { outline: string; line: string }> = {
  light: { outline: '#ffffff', line: '#1c1d1f' },
  dark: { outline: '#0d0e10', line: '#f2f3f5' },
};
