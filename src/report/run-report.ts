import { unique } from './arrays.ts';
import { figureName, heading, modelBlocks, paragraph, section, trainingCurves } from './blocks.ts';
import type { Block, BlockInput, ComparisonInput, ReportContent, Section } from './content.ts';
import { count, duration } from './format.ts';
import type { ExperimentRecord, RunRecord } from './run-record.ts';
import { searchBlocks } from './search.ts';
import { divergenceText } from './training.ts';

/** Creates the report of a run, of one experiment or a whole coursework, from `run.json` only. */
export function reportOf(record: RunRecord): ReportContent {
  const { rows } = record;
  const [only] = rows;
  const sections =
    rows.length === 1
      ? sectionsOf(record, only!)
      : [section('Overview', overview(rows, record.summary)), ...rows.map((row) => rowSection(record, row))];
  return {
    kind: 'tilegrad-report',
    schemaVersion: 1,
    id: record.id,
    title: record.title,
    status: record.status,
    question: record.question,
    reduced: reducedOf(rows),
    warnings: record.trainings.flatMap((one) => divergenceText(one) ?? []),
    sections,
    provenance: [provenanceOf(record)],
  };
}

/** Returns the report of an experiment; if it is not finished: its error, the curves of its trainings, and the results of its searches. */
function sectionsOf(record: RunRecord, row: ExperimentRecord): Section[] {
  if (row.status === 'finished') return row.sections;
  const own = record.trainings.filter((one) => one.row === row.id);
  const error = row.error ? [paragraph(`The error: ${row.error.message}`)] : [];
  const state: BlockInput[] = [paragraph('This has not finished, so there are no results yet.'), ...error];
  const several = own.length > 1;
  const curves = own.flatMap((one) =>
    trainingCurves(
      { ...one, measured: [] },
      { title: `${row.id}: ${one.name}`, prefix: several ? one.name : undefined },
    ),
  );
  return [
    section('Results', state),
    ...(curves.length > 0 ? [section('Curves', curves)] : []),
    ...(record.searches ?? [])
      .filter((one) => one.row === row.id)
      .map(({ record: { name }, record: found }) =>
        section(`Search ${name}`, searchBlocks(found, { title: `${row.id}: ${name}`, prefix: name })),
      ),
    ...(own.length > 0
      ? [section('Model', ...own.map((one) => modelBlocks(one, { prefix: several ? one.name : undefined })))]
      : []),
  ];
}

/** Returns an experiment of a coursework as one section; the names of its figures begin with its id. */
function rowSection(record: RunRecord, row: ExperimentRecord): Section {
  const own = row.reduced.filter((note) => !shared(record.rows).includes(note));
  const parts = sectionsOf(record, row).flatMap(({ title, blocks }) => [
    heading(title),
    ...blocks.map((block) => prefixed(block, row.id)),
  ]);
  return section(
    `${row.id}: ${row.title}`,
    ...row.question.map(paragraph),
    ...(own.length > 0 ? [paragraph(`Reduced or changed: ${own.join('; ')}.`)] : []),
    parts,
  );
}

/** The row that a section of a coursework's report is of, by its title; undefined for the overview, and in the report of one row. */
export const rowOf = (title: string): string | undefined => /^[A-Z]+\d+(?=: )/.exec(title)?.[0];

/** Returns a block for the report of a coursework: the name of a figure begins with the experiment's id. */
export function prefixed(block: Block, row: string): Block;
export function prefixed(block: BlockInput, row: string): BlockInput;
export function prefixed(block: BlockInput, row: string): BlockInput {
  if (block.type !== 'figure') return block;
  return { ...block, figure: { ...block.figure, name: figureName(row, block.figure.name) } };
}

/** Returns every note about reductions once, with the ids of its experiments if it does not apply to all. */
function reducedOf(rows: readonly ExperimentRecord[]): string[] {
  const ofAll = shared(rows);
  return unique(rows.flatMap(({ reduced }) => reduced)).map((note) =>
    ofAll.includes(note) ? note : `${idsText(rows, ({ reduced }) => reduced.includes(note))}: ${note}`,
  );
}

/** The ids of the rows that `isMeant` chooses: three and more that follow each other as `B1 to B3`. */
function idsText(rows: readonly ExperimentRecord[], isMeant: (row: ExperimentRecord) => boolean): string {
  const stretches: string[][] = [];
  for (const [i, row] of rows.entries()) {
    if (!isMeant(row)) continue;
    if (i > 0 && isMeant(rows[i - 1]!)) stretches.at(-1)!.push(row.id);
    else stretches.push([row.id]);
  }
  return stretches.map((ids) => (ids.length > 2 ? `${ids[0]} to ${ids.at(-1)}` : ids.join(', '))).join(', ');
}

/** Returns the notes that all experiments have. */
const shared = (rows: readonly ExperimentRecord[]): string[] =>
  rows[0]!.reduced.filter((note) => rows.every(({ reduced }) => reduced.includes(note)));

/**
 * The rows, and the accuracies, or whatever else, that were published for them. A coursework with a summary of its own has that instead,
 * and beside it the rows only until all are finished.
 */
function overview(rows: readonly ExperimentRecord[], summary: readonly BlockInput[] = []): BlockInput[] {
  const compared = rows.flatMap((row) =>
    comparedFigures(row).map(({ why: _, ...one }) => ({ ...one, label: `${row.id} ${one.label}` })),
  );
  const time = (row: ExperimentRecord) => (row.status === 'finished' ? duration(row.seconds) : row.status);
  const all: BlockInput = {
    type: 'table',
    head: ['row', 'what', 'time'],
    rows: rows.map((row) => [row.id, row.title, time(row)]),
  };
  if (summary.length > 0) {
    return rows.every(({ status }) => status === 'finished') ? [...summary] : [all, ...summary];
  }
  return [
    all,
    ...(compared.length > 0
      ? [{ type: 'comparison' as const, caption: 'Published figures and ours', rows: compared }]
      : []),
  ];
}

/** Returns the comparisons of an experiment: its accuracies, or all if it has no accuracies. */
function comparedFigures(row: ExperimentRecord): ComparisonInput[] {
  const all = row.sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) =>
      block.type === 'comparison'
        ? block.rows.map((one) => ({ ...one, label: block.caption ? `${block.caption}: ${one.label}` : one.label }))
        : [],
    ),
  );
  const accuracies = all.filter(({ unit = 'accuracy' }) => unit === 'accuracy');
  return accuracies.length > 0 ? accuracies : all;
}

function provenanceOf(record: RunRecord): ReportContent['provenance'][number] {
  const { adapter, data, rows, request, tuning, timings, versions, command } = record;
  const { name, vendor, driver, isSoftware } = adapter;
  const sources = Object.values(data);
  const { weights = [] } = record;
  const trained = record.trainings.filter(({ status }) => status === 'finished');
  const workers = unique(trained.flatMap(({ worker }) => worker ?? []));
  const models = trained.reduce((sum, { seeds }) => sum + seeds.length, 0);
  return {
    seeds: [...new Set(rows.flatMap(({ seeds }) => seeds))].sort((a, b) => a - b),
    adapter: { name, vendor, driver, isSoftware },
    versions,
    startedAt: timings.startedAt,
    seconds: timings.totalSeconds,
    command,
    settings: {
      Scale: request.scale,
      ...(sources.length > 0
        ? {
            Data: sources.map(({ description }) => description).join('; '),
            'Data from': sources.map(({ path }) => path).join('; '),
          }
        : {}),
      ...(weights.length > 0
        ? { Weights: weights.map(({ name, path, sha256 }) => `${name} (sha256 ${sha256}, ${path})`).join('; ') }
        : {}),
      Kernels: kernelsText(tuning),
      ...(sources.length > 0
        ? {
            Images: sources
              .map(
                ({ trainImages, testImages }) => `${count(trainImages)} for training, ${count(testImages)} for testing`,
              )
              .join('; '),
          }
        : {}),
      ...(rows.length === 1 ? { Settings: settingsText(rows[0]!.settings) } : {}),
      Trained: `${count(models)} ${models === 1 ? 'model' : 'models'} in ${count(trained.length)} ${trained.length === 1 ? 'training' : 'trainings'}${searchedText(record)}`,
      ...(workers.length > 0 ? { Workers: workers.join('; ') } : {}),
    },
  };
}

/** `; 90 trials in 3 searches`. */
function searchedText({ searches = [] }: RunRecord): string {
  if (searches.length === 0) return '';
  const trials = searches.reduce((sum, { record: { trials: own } }) => sum + own.length, 0);
  return `; ${count(trials)} ${trials === 1 ? 'trial' : 'trials'} in ${count(searches.length)} ${searches.length === 1 ? 'search' : 'searches'}`;
}

/** `epochs 10, batch size 256`. */
const settingsText = (settings: Record<string, unknown>): string =>
  Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${settingName(name)} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');

/** `batchSize` becomes `batch size`; replicas are models to a reader. */
export const settingName = (name: string): string =>
  name === 'replicas' ? 'models' : name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Describes how kernels were selected: the same seed, adapter and kernels give the same bits. */
function kernelsText({ measured, file, choicesHash }: RunRecord['tuning']): string {
  const how = measured > 0 ? `${measured} chosen by measurement (${file}), the others by rule` : 'chosen by rule';
  return `${how}; hash of all choices ${choicesHash}`;
}
