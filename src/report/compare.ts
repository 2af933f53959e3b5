import { unique } from './arrays.ts';
import { comparisonText } from './comparison.ts';
import type { Block, BlockInput, ComparisonRow, Report, ReportContent } from './content.ts';
import { meanCurve } from './figures/curves.ts';
import type { Figure, FigureOf } from './figures/schema.ts';
import { adapterText, duration, seedsText } from './format.ts';
import { prefixed, rowOf } from './run-report.ts';

/** A report and its name in the comparison. */
export interface NamedReport {
  name: string;
  report: Report;
}

/**
 * A report that puts runs side by side: their figures in one table, their curves in one plot. Where one is of a coursework, each of
 * its rows is held against the same row of the others.
 */
export function compareReports(runs: readonly NamedReport[]): ReportContent {
  const rows = rowsOf(runs);
  const figures = rows.map(figuresOf);
  const names = unique(figures.flatMap((of) => [...of.keys()]));
  const drawn = names.flatMap((name) => {
    const having = runs.flatMap(({ name: run }, i) => {
      const figure = figures[i]!.get(name);
      return figure ? [{ run, number: i + 1, figure }] : [];
    });
    return sideBySide(name, having);
  });
  return {
    kind: 'tilegrad-report',
    schemaVersion: 1,
    id: 'compare',
    title: unique(runs.map(({ report }) => report.id)).join(', '),
    status: 'finished',
    question: [`How do these ${runs.length} runs differ?`],
    reduced: runs.flatMap(({ name, report }) => report.reduced.map((note) => `${name}: ${note}`)),
    warnings: runs.flatMap(({ name, report }) => report.warnings.map((warning) => `${name}: ${warning}`)),
    sections: [
      { title: 'Side by side', blocks: [comparedTable(runs, rows.map(comparisonRows))] },
      ...(drawn.length > 0 ? [{ title: 'Figures', blocks: drawn }] : []),
    ],
    provenance: runs.flatMap(({ name, report }) =>
      report.provenance.map((one) => ({ ...one, settings: { Run: name, ...one.settings } })),
    ),
  };
}

/** What a report says of a row; the id is empty where no run is of several rows. */
interface RowBlocks {
  id: string;
  blocks: Block[];
}

/** The rows of each run. The overview of a coursework is left out, which repeats them. */
function rowsOf(runs: readonly NamedReport[]): RowBlocks[][] {
  const several = runs.map(({ report }) =>
    report.sections.flatMap(({ title, blocks }) => {
      const id = rowOf(title);
      return id === undefined ? [] : [{ id, blocks }];
    }),
  );
  const hasCoursework = several.some((rows) => rows.length > 0);
  return runs.map(({ report: { id, sections } }, i) => {
    if (several[i]!.length > 0) return several[i]!;
    const blocks = sections.flatMap((section) => section.blocks);
    return [hasCoursework ? { id, blocks: blocks.map((block) => prefixed(block, id)) } : { id: '', blocks }];
  });
}

const figuresOf = (rows: readonly RowBlocks[]) =>
  new Map(
    rows.flatMap(({ blocks }) =>
      blocks.flatMap((block) => (block.type === 'figure' ? [[block.figure.name, block.figure] as const] : [])),
    ),
  );

/** Returns a table with a row for each figure and a column for each run; with two runs, also their difference. */
function comparedTable(runs: readonly NamedReport[], rows: readonly Map<string, ComparisonRow>[]): BlockInput {
  const labels = unique(rows.flatMap((of) => [...of.keys()]));
  const isPair = runs.length === 2;
  const same = (value: (report: Report) => string) => runs.map(({ report }) => value(report));
  const first = (report: Report) => report.provenance[0]!;
  const settings = unique(runs.flatMap(({ report }) => Object.keys(first(report).settings)));
  const words: string[][] = [
    ['experiment', ...same(({ id, title }) => `${id}: ${title}`)],
    ['status', ...same(({ status }) => status)],
    ['seeds', ...same((report) => seedsText(first(report).seeds))],
    ['adapter', ...same((report) => adapterText(first(report).adapter))],
    ['time', ...same((report) => duration(first(report).seconds ?? Number.NaN))],
    ...settings.map((name) => [
      name[0]!.toLowerCase() + name.slice(1),
      ...same((report) => first(report).settings[name] ?? ''),
    ]),
  ];
  const figures = labels.map((label) => {
    const found = rows.map((of) => of.get(label));
    const published = unique(
      found.flatMap((row) => (row && row.published !== null ? comparisonText(row).published : [])),
    );
    return [
      label,
      published.join(' / '),
      ...found.map((row) => (row ? comparisonText(row).ours : '')),
      ...(isPair ? [pairDifference(found[0], found[1])] : []),
    ];
  });
  const all = [
    ...figures,
    // Settings that all runs share do not explain differences.
    ...words
      .filter(([, ...cells]) => unique(cells).length > 1)
      .map(([label, ...cells]) => [
        label!,
        '',
        ...cells,
        ...(isPair ? [label === 'seeds' ? '' : plainDifference(cells)] : []),
      ]),
  ];
  // Nothing is published for searches and users' experiments.
  const hasPublished = figures.some(([, published]) => published !== '');
  return {
    type: 'table',
    head: [
      '',
      ...(hasPublished ? ['published'] : []),
      ...runs.map(({ name }) => name),
      ...(isPair ? ['difference'] : []),
    ],
    rows: hasPublished ? all : all.map(([label, , ...cells]) => [label!, ...cells]),
  };
}

/** What a run compares, by the row's id and label; within several comparisons of a row, also by caption. */
function comparisonRows(rows: readonly RowBlocks[]): Map<string, ComparisonRow> {
  return new Map(
    rows.flatMap(({ id, blocks }) => {
      const comparisons = blocks.flatMap((block) => (block.type === 'comparison' ? [block] : []));
      const ofRow = id === '' ? '' : `${id} `;
      return comparisons.flatMap(({ caption, rows }) => {
        const named = comparisons.length > 1 && caption !== '' ? `${caption}: ` : '';
        return rows.map((row) => [`${ofRow}${named}${row.label}`, row] as const);
      });
    }),
  );
}

function pairDifference(a: ComparisonRow | undefined, b: ComparisonRow | undefined): string {
  if (!a || !b || a.ours === null || b.ours === null) return '';
  return comparisonText({ ...b, published: a.ours, sd: null }).difference;
}

/** What the second has over the first, where a setting is a number, such as how many trials a search had. */
function plainDifference(cells: readonly string[]): string {
  const [a, b] = cells.map((cell) => (/^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : Number.NaN)) as [number, number];
  if (Number.isNaN(a) || Number.isNaN(b)) return '';
  const difference = Number((b - a).toPrecision(4));
  return difference > 0 ? `+${difference}` : String(difference);
}

type Having = { run: string; number: number; figure: FigureOf<Figure['type']> };

/** Returns plots with the curves and bars of all runs; those that cannot be combined follow one after the other. */
function sideBySide(name: string, having: readonly Having[]): BlockInput[] {
  const curves = having.flatMap(({ run, figure }) => (figure.type === 'curves' ? [{ run, figure }] : []));
  if (curves.length === having.length && curves.length > 1)
    return [{ type: 'figure', figure: mergedCurves(name, curves) }];
  const bars = having.flatMap(({ run, figure }) => (figure.type === 'bars' ? [{ run, figure }] : []));
  if (bars.length === having.length && bars.length > 1) return [{ type: 'figure', figure: mergedBars(name, bars) }];
  // The same model need not be drawn twice.
  if (having.length > 1 && unique(having.map(({ figure }) => JSON.stringify(figure))).length === 1) {
    return [{ type: 'figure', figure: having[0]!.figure }];
  }
  return having.map(({ run, number, figure }) => {
    const subtitle = [run, ...(figure.subtitle ?? [])];
    return { type: 'figure', figure: { ...figure, subtitle, name: `run-${number}-${figure.name}`.slice(0, 80) } };
  });
}

/** A line a run and series; runs of several trainings by their mean. */
function mergedCurves(name: string, runs: { run: string; figure: FigureOf<'curves'> }[]): Figure {
  const first = runs[0]!.figure;
  const lines = runs.flatMap(({ run, figure }) =>
    unique(figure.lines.map(({ series }) => series)).map((series) => {
      const mean = meanCurve(figure, series);
      return { run, series, x: mean.map(({ x }) => x), y: mean.map(({ y }) => y) };
    }),
  );
  const published = unique(runs.map(({ figure }) => JSON.stringify(figure.published ?? null)));
  return {
    type: 'curves',
    name,
    title:
      unique(runs.map(({ figure }) => figure.title)).length === 1
        ? first.title
        : `${first.y.label} of ${runs.length} runs`,
    x: first.x,
    y: first.y,
    show: 'each',
    lines,
    ...(published.length === 1 ? { published: first.published } : {}),
  };
}

function mergedBars(name: string, runs: { run: string; figure: FigureOf<'bars'> }[]): Figure {
  const first = runs[0]!.figure;
  const groups = unique(
    runs.flatMap(({ figure }) => [...(figure.groups ?? []), ...figure.bars.map(({ group }) => group)]),
  );
  return {
    type: 'bars',
    name,
    title: first.title,
    x: first.x,
    y: first.y,
    ...(first.horizontal ? { horizontal: true } : {}),
    bars: runs.flatMap(({ run, figure }) =>
      figure.bars.map((bar) => ({ ...bar, group: groups.length > 1 ? `${run}, ${bar.group}` : run })),
    ),
  };
}
