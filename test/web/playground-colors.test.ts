import { expect, test } from 'vitest';
import { colorMap, fromOklch, inks, LEVELS, pointColor, type Scheme } from '../../web/src/playground/colors.ts';

type Triple = [number, number, number];
const toLinear = (byte: number) => {
  const c = byte / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
};
/** CIELAB of sRGB under D65 (IEC 61966-2-1 and CIE 15), a space independent of the color map. */
function labOf(rgb: readonly number[]): Triple {
  const [r, g, b] = rgb.map(toLinear) as Triple;
  const xyz = [
    (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047,
    0.2126729 * r + 0.7151522 * g + 0.072175 * b,
    (0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883,
  ];
  const [x, y, z] = xyz.map((v) => (v > 216 / 24389 ? Math.cbrt(v) : (841 / 108) * v + 4 / 29)) as Triple;
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
/** Oklab of sRGB, by the matrices of its definition: the way back from `fromOklch`. */
function oklabOf(rgb: readonly number[]): Triple {
  const [r, g, b] = rgb.map(toLinear) as Triple;
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}
const luminance = (rgb: readonly number[]) => {
  const [r, g, b] = rgb.map(toLinear) as Triple;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
/** Contrast as defined by WCAG 2. */
function contrast(a: readonly number[], b: readonly number[]): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}
const distance = (a: Triple, b: Triple) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
const colorsOf = (scheme: Scheme) => {
  const map = colorMap(scheme);
  return Array.from({ length: LEVELS }, (_, level) => [...map.subarray(3 * level, 3 * level + 3)]);
};
const bytesOf = (css: string): number[] =>
  css.startsWith('#')
    ? [1, 3, 5].map((begin) => Number.parseInt(css.slice(begin, begin + 2), 16))
    : css.match(/\d+/g)!.map(Number);

test("fromOklch: Ottosson's colors, and back", () => {
  expect(fromOklch(1, 0, 0).map(Math.round)).toEqual([255, 255, 255]);
  expect(fromOklch(0, 0, 0).map(Math.round)).toEqual([0, 0, 0]);
  // sRGB red is L 0.62796, C 0.25768, h 29.234 in Oklch, as CSS Color 4 gives it.
  expect(fromOklch(0.62796, 0.25768, 29.234).map(Math.round)).toEqual([255, 0, 0]);
  const [l, a, b] = oklabOf(fromOklch(0.6, 0.1, 200));
  expect([l, Math.hypot(a, b)]).toEqual([expect.closeTo(0.6, 5), expect.closeTo(0.1, 5)]);
});

test.each<Scheme>(['light', 'dark'])(
  '%s: equal probabilities of either class are equally light and equally far from the center',
  (scheme) => {
    const colors = colorsOf(scheme);
    const middle = labOf(colors[LEVELS / 2]!);
    for (let level = 0; level < LEVELS / 2; level++) {
      const [orange, blue] = [colors[level]!, colors[LEVELS - 1 - level]!];
      expect(Math.abs(oklabOf(orange)[0] - oklabOf(blue)[0])).toBeLessThan(0.006);
      // In another color space too, within the difference between the spaces.
      expect(Math.abs(labOf(orange)[0] - labOf(blue)[0])).toBeLessThan(5);
      const [near, far] = [distance(labOf(orange), middle), distance(labOf(blue), middle)].sort((x, y) => x - y);
      if (level < LEVELS / 2 - 20) expect(far! / near!).toBeLessThan(1.3);
    }
  },
);

test.each<Scheme>(['light', 'dark'])(
  '%s: steps of probability are even, and lightness is monotonic from the center',
  (scheme) => {
    const colors = colorsOf(scheme).map(oklabOf);
    for (const side of [colors.slice(0, LEVELS / 2), colors.slice(LEVELS / 2)]) {
      const steps = Array.from({ length: 8 }, (_, i) => distance(side[16 * i]!, side[Math.min(127, 16 * i + 16)]!));
      const full = steps.slice(0, 7);
      expect(Math.max(...full) / Math.min(...full)).toBeLessThan(1.1);
      const lightness = side.filter((_, i) => i % 16 === 0).map(([l]) => l);
      const rising = [...lightness].sort((x, y) => x - y);
      expect([rising, [...rising].reverse()]).toContainEqual(lightness);
    }
  },
);

test.each<Scheme>(['light', 'dark'])('%s: every color is in sRGB', (scheme) => {
  // A color outside of sRGB would be clipped, and lose its chroma.
  const ends = [colorsOf(scheme)[0]!, colorsOf(scheme)[LEVELS - 1]!].map(oklabOf);
  const chromas = ends.map(([, a, b]) => Math.hypot(a, b));
  expect(Math.abs(chromas[0]! - chromas[1]!)).toBeLessThan(0.004);
  expect(Math.min(...chromas)).toBeGreaterThan(0.11);
});

test.each<Scheme>(['light', 'dark'])(
  '%s: points and lines have a contrast of at least 3 to every color of the surface',
  (scheme) => {
    const inksOf = [bytesOf(inks[scheme].line), ...[0, 1].map((label) => bytesOf(pointColor(scheme, label)))];
    for (const [i, ink] of inksOf.entries()) {
      // A misclassified point lies on the color of the other class. Its outline separates it from its own color.
      for (const color of i === 0 ? colorsOf(scheme) : [bytesOf(inks[scheme].outline)])
        expect(contrast(ink, color)).toBeGreaterThanOrEqual(3);
    }
  },
);
