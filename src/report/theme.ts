/** A color on a white background, and its counterpart on a dark screen. */
type Tone = { light: string; dark: string };

/** The colors of all drawings: a page becomes dark by replacing these colors and no others. */
export const tones = {
  paper: { light: '#ffffff', dark: '#171b21' },
  ink: { light: '#2b333b', dark: '#d8dee5' },
  faint: { light: '#5b6570', dark: '#9aa6b2' },
  axis: { light: '#9aa3ad', dark: '#67727e' },
  grid: { light: '#e8ebee', dark: '#2a3139' },
  panel: { light: '#f3f5f7', dark: '#20262d' },
} satisfies Record<string, Tone>;

/** Colors of series, runs and groups, in this order. Neighbors also differ in brightness. */
export const series: readonly Tone[] = [
  { light: '#1f6fb4', dark: '#6cb2f2' },
  { light: '#d9541e', dark: '#ff9663' },
  { light: '#2a8c4a', dark: '#63cf86' },
  { light: '#8e44ad', dark: '#cf94ea' },
  { light: '#b8860b', dark: '#e6bd4a' },
  { light: '#c2185b', dark: '#ff7fae' },
  { light: '#00838f', dark: '#4fd1dc' },
  { light: '#6d4c41', dark: '#c9a394' },
  { light: '#7a8a99', dark: '#a9b8c6' },
  { light: '#3f3d9e', dark: '#a3a1ff' },
];

/** Colors of ordered items from the best to the worst: blue to ochre, which is distinguishable with color blindness. */
export const ramp: readonly Tone[] = [
  { light: '#0b3c7d', dark: '#8ccbff' },
  { light: '#2c6fb2', dark: '#5a9de0' },
  { light: '#6a8ea8', dark: '#7d94a5' },
  { light: '#a18a4e', dark: '#a58f57' },
  { light: '#cc9f2a', dark: '#8f7122' },
];

/** The color of item `index`; colors repeat after `series.length`. */
export const seriesColor = (index: number): string => series[index % series.length]!.light;

export const font = 'Open Sans';
export const fontFamily = `${font}, sans-serif`;

/** CSS rules with the dark colors of the drawings on a page. They override the attributes of the SVG. */
export function darkRules(selector: string): string {
  return [...Object.values(tones), ...series, ...ramp]
    .flatMap(({ light, dark }) =>
      ['fill', 'stroke'].map((property) => `${selector} [${property}="${light}"]{${property}:${dark}}`),
    )
    .join('\n');
}

/** The style of Vega-Lite. */
export const vegaConfig = {
  // A drawing has one description; one for each mark would make it several times as large.
  aria: false,
  font: fontFamily,
  background: tones.paper.light,
  title: {
    fontSize: 15,
    fontWeight: 600,
    color: tones.ink.light,
    subtitleFontSize: 12,
    subtitleColor: tones.faint.light,
    subtitlePadding: 5,
    anchor: 'start',
    frame: 'group',
    offset: 14,
  },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 600,
    titlePadding: 8,
    gridColor: tones.grid.light,
    domainColor: tones.axis.light,
    tickColor: tones.axis.light,
    labelColor: tones.ink.light,
    titleColor: tones.ink.light,
    labelLimit: 160,
  },
  legend: {
    title: null,
    orient: 'top',
    // Below each other, because legends side by side would narrow the plot.
    layout: { top: { direction: 'vertical', anchor: 'start' } },
    labelFontSize: 12,
    labelColor: tones.ink.light,
    symbolStrokeWidth: 3,
    symbolSize: 160,
    labelLimit: 200,
    columnPadding: 14,
  },
  view: { stroke: null },
} as const;
