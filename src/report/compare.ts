import { unique } from './arrays.ts';
import { comparisonText } from './comparison.ts';
import type { Block, BlockInput, ComparisonRow, Report, ReportContent } from './content.ts';
import { meanCurve } from './figures/curves.ts';
import type { Figure, FigureOf } from './figures/schema.ts';
import { adapterText, duration, seedsText } from './format.ts';
import { experimentIdOf, prefixBlock } from './run-report.ts';

/** A report and its name in the comparison. */
export interface NamedReport {
  name: string;
  report: Report;
}

/**
 * Creates a report that compares runs: their values in one table, their curves in one plot. If one run is of a coursework, each of its
 * experiments is compared with the same experiment of the others.
 */
export function compareReports(runs: readonly NamedReport[]): ReportContent {
  const rows = rowsOf(runs);
  const figures = rows.map(figuresOf);
  const names = unique(figures.flatMap((byName) => [...byName.keys()]));
  const plots = names.flatMap((name) => {
    const runFigures = runs.flatMap(({ name: run }, i) => {
      const figure = figures[i]!.get(name);
      return figure ? [{ run, number: i + 1, figure }] : [];
    });
    return combineFigures(name, runFigures);
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
      ...(plots.length > 0 ? [{ title: 'Figures', blocks: plots }] : []),
    ],
    provenance: runs.flatMap(({ name, report }) =>
      report.provenance.map((entry) => ({ ...entry, settings: { Run: name, ...entry.settings } })),
    ),
  };
}

/** The blocks of an experiment in a report; the id is empty if no run has several experiments. */
interface RowBlocks {
  id: string;
  blocks: Block[];
}

/** Returns the experiments of each run, without the overview of a coursework, which repeats them. */
function rowsOf(runs: readonly NamedReport[]): RowBlocks[][] {
  const courseworkRows = runs.map(({ report }) =>
    report.sections.flatMap(({ title, blocks }) => {
      const id = experimentIdOf(title);
      return id === undefined ? [] : [{ id, blocks }];
    }),
  );
  const hasCoursework = courseworkRows.some((rows) => rows.length > 0);
  return runs.map(({ report: { id, sections } }, i) => {
    if (courseworkRows[i]!.length > 0) return courseworkRows[i]!;
    const blocks = sections.flatMap((section) => section.blocks);
    return [hasCoursework ? { id, blocks: blocks.map((block) => prefixBlock(block, id)) } : { id: '', blocks }];
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
  const labels = unique(rows.flatMap((byLabel) => [...byLabel.keys()]));
  const isPair = runs.length === 2;
  const cellsOf = (value: (report: Report) => string) => runs.map(({ report }) => value(report));
  const first = (report: Report) => report.provenance[0]!;
  const settings = unique(runs.flatMap(({ report }) => Object.keys(first(report).settings)));
  const textRows: string[][] = [
    ['experiment', ...cellsOf(({ id, title }) => `${id}: ${title}`)],
    ['status', ...cellsOf(({ status }) => status)],
    ['seeds', ...cellsOf((report) => seedsText(first(report).seeds))],
    ['adapter', ...cellsOf((report) => adapterText(first(report).adapter))],
    ['time', ...cellsOf((report) => duration(first(report).seconds ?? Number.NaN))],
    ...settings.map((name) => [
      name[0]!.toLowerCase() + name.slice(1),
      ...cellsOf((report) => first(report).settings[name] ?? ''),
    ]),
  ];
  const valueRows = labels.map((label) => {
    const found = rows.map((byLabel) => byLabel.get(label));
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
  const allRows = [
    ...valueRows,
    // Settings that all runs share do not explain differences.
    ...textRows
      .filter(([, ...cells]) => unique(cells).length > 1)
      .map(([label, ...cells]) => [
        label!,
        '',
        ...cells,
        ...(isPair ? [label === 'seeds' ? '' : plainDifference(cells)] : []),
      ]),
  ];
  // Nothing is published for searches and users' experiments.
  const hasPublished = valueRows.some(([, published]) => published !== '');
  return {
    type: 'table',
    head: [
      '',
      ...(hasPublished ? ['published'] : []),
      ...runs.map(({ name }) => name),
      ...(isPair ? ['difference'] : []),
    ],
    rows: hasPublished ? allRows : allRows.map(([label, , ...cells]) => [label!, ...cells]),
  };
}

/** Returns a run's comparison rows by the experiment's id and the label; if an experiment has several comparisons, also by caption. */
function comparisonRows(rows: readonly RowBlocks[]): Map<string, ComparisonRow> {
  return new Map(
    rows.flatMap(({ id, blocks }) => {
      const comparisons = blocks.flatMap((block) => (block.type === 'comparison' ? [block] : []));
      const idPrefix = id === '' ? '' : `${id} `;
      return comparisons.flatMap(({ caption, rows }) => {
        const captionPrefix = comparisons.length > 1 && caption !== '' ? `${caption}: ` : '';
        return rows.map((row) => [`${idPrefix}${captionPrefix}${row.label}`, row] as const);
      });
    }),
  );
}

function pairDifference(a: ComparisonRow | undefined, b: ComparisonRow | undefined): string {
  if (!a || !b || a.ours === null || b.ours === null) return '';
  return comparisonText({ ...b, published: a.ours, sd: null }).difference;
}

/** Returns the second setting minus the first if both are numbers, such as the number of trials of a search. */
function plainDifference(cells: readonly string[]): string {
  const [a, b] = cells.map((cell) => (/^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : Number.NaN)) as [number, number];
  if (Number.isNaN(a) || Number.isNaN(b)) return '';
  const difference = Number((b - a).toPrecision(4));
  return difference > 0 ? `+${difference}` : String(difference);
}

type RunFigure = { run: string; number: number; figure: FigureOf<Figure['type']> };

/** Returns plots with the curves and bars of all runs; those that cannot be combined follow one after the other. */
function combineFigures(name: string, runFigures: readonly RunFigure[]): BlockInput[] {
  const curves = runFigures.flatMap(({ run, figure }) => (figure.type === 'curves' ? [{ run, figure }] : []));
  if (curves.length === runFigures.length && curves.length > 1)
    return [{ type: 'figure', figure: mergeCurves(name, curves) }];
  const bars = runFigures.flatMap(({ run, figure }) => (figure.type === 'bars' ? [{ run, figure }] : []));
  if (bars.length === runFigures.length && bars.length > 1) return [{ type: 'figure', figure: mergeBars(name, bars) }];
  // The same model is drawn only once.
  if (runFigures.length > 1 && unique(runFigures.map(({ figure }) => JSON.stringify(figure))).length === 1) {
    return [{ type: 'figure', figure: runFigures[0]!.figure }];
  }
  return runFigures.map(({ run, number, figure }) => {
    const subtitle = [run, ...(figure.subtitle ?? [])];
    return { type: 'figure', figure: { ...figure, subtitle, name: `run-${number}-${figure.name}`.slice(0, 80) } };
  });
}

/** Returns curves with a line for each run and series, which is the mean over the run's trainings. */
function mergeCurves(name: string, runs: { run: string; figure: FigureOf<'curves'> }[]): Figure {
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

function mergeBars(name: string, runs: { run: string; figure: FigureOf<'bars'> }[]): Figure {
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
