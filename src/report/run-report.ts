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
    warnings: record.trainings.flatMap((entry) => divergenceText(entry) ?? []),
    sections,
    provenance: [provenanceOf(record)],
  };
}

/** Returns the report of an experiment; if it is not finished: its error, the curves of its trainings, and the results of its searches. */
function sectionsOf(record: RunRecord, row: ExperimentRecord): Section[] {
  if (row.status === 'finished') return row.sections;
  const trainings = record.trainings.filter((entry) => entry.row === row.id);
  const error = row.error ? [paragraph(`The error: ${row.error.message}`)] : [];
  const state: BlockInput[] = [paragraph('This has not finished, so there are no results yet.'), ...error];
  const hasSeveral = trainings.length > 1;
  const curves = trainings.flatMap((entry) =>
    trainingCurves(
      { ...entry, measured: [] },
      { title: `${row.id}: ${entry.name}`, prefix: hasSeveral ? entry.name : undefined },
    ),
  );
  return [
    section('Results', state),
    ...(curves.length > 0 ? [section('Curves', curves)] : []),
    ...(record.searches ?? [])
      .filter((entry) => entry.row === row.id)
      .map(({ record: { name }, record: found }) =>
        section(`Search ${name}`, searchBlocks(found, { title: `${row.id}: ${name}`, prefix: name })),
      ),
    ...(trainings.length > 0
      ? [
          section(
            'Model',
            ...trainings.map((entry) => modelBlocks(entry, { prefix: hasSeveral ? entry.name : undefined })),
          ),
        ]
      : []),
  ];
}

/** Returns an experiment of a coursework as one section; the names of its figures begin with its id. */
function rowSection(record: RunRecord, row: ExperimentRecord): Section {
  const notes = row.reduced.filter((note) => !sharedNotes(record.rows).includes(note));
  const parts = sectionsOf(record, row).flatMap(({ title, blocks }) => [
    heading(title),
    ...blocks.map((block) => prefixBlock(block, row.id)),
  ]);
  return section(
    `${row.id}: ${row.title}`,
    ...row.question.map(paragraph),
    ...(notes.length > 0 ? [paragraph(`Reduced or changed: ${notes.join('; ')}.`)] : []),
    parts,
  );
}

/**
 * Returns the id of the experiment of a section in a coursework's report, from the title; undefined for the overview, and in the report of
 * one experiment.
 */
export const experimentIdOf = (title: string): string | undefined => /^[A-Z]+\d+(?=: )/.exec(title)?.[0];

/** Returns a block for the report of a coursework: the name of a figure begins with the experiment's id. */
export function prefixBlock(block: Block, row: string): Block;
export function prefixBlock(block: BlockInput, row: string): BlockInput;
export function prefixBlock(block: BlockInput, row: string): BlockInput {
  if (block.type !== 'figure') return block;
  return { ...block, figure: { ...block.figure, name: figureName(row, block.figure.name) } };
}

/** Returns every note about reductions once, with the ids of its experiments if it does not apply to all. */
function reducedOf(rows: readonly ExperimentRecord[]): string[] {
  const shared = sharedNotes(rows);
  return unique(rows.flatMap(({ reduced }) => reduced)).map((note) =>
    shared.includes(note) ? note : `${idsText(rows, ({ reduced }) => reduced.includes(note))}: ${note}`,
  );
}

/** Returns the ids of the included experiments; three or more consecutive ones as `B1 to B3`. */
function idsText(rows: readonly ExperimentRecord[], isIncluded: (row: ExperimentRecord) => boolean): string {
  const stretches: string[][] = [];
  for (const [i, row] of rows.entries()) {
    if (!isIncluded(row)) continue;
    if (i > 0 && isIncluded(rows[i - 1]!)) stretches.at(-1)!.push(row.id);
    else stretches.push([row.id]);
  }
  return stretches.map((ids) => (ids.length > 2 ? `${ids[0]} to ${ids.at(-1)}` : ids.join(', '))).join(', ');
}

/** Returns the notes that all experiments have. */
const sharedNotes = (rows: readonly ExperimentRecord[]): string[] =>
  rows[0]!.reduced.filter((note) => rows.every(({ reduced }) => reduced.includes(note)));

/**
 * Returns the table of experiments, and a comparison with their published accuracies or other values. If the coursework has its own
 * summary, it replaces the comparison, and also the table once all experiments are finished.
 */
function overview(rows: readonly ExperimentRecord[], summary: readonly BlockInput[] = []): BlockInput[] {
  const compared = rows.flatMap((row) =>
    comparisonsOf(row).map(({ why: _, ...compared }) => ({ ...compared, label: `${row.id} ${compared.label}` })),
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
function comparisonsOf(row: ExperimentRecord): ComparisonInput[] {
  const all = row.sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) =>
      block.type === 'comparison'
        ? block.rows.map((compared) => ({
            ...compared,
            label: block.caption ? `${block.caption}: ${compared.label}` : compared.label,
          }))
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
      Trained: `${count(models)} ${models === 1 ? 'model' : 'models'} in ${count(trained.length)} ${trained.length === 1 ? 'training' : 'trainings'}${searchesText(record)}`,
      ...(workers.length > 0 ? { Workers: workers.join('; ') } : {}),
    },
  };
}

/** `; 90 trials in 3 searches`. */
function searchesText({ searches = [] }: RunRecord): string {
  if (searches.length === 0) return '';
  const trials = searches.reduce((sum, { record: { trials: ended } }) => sum + ended.length, 0);
  return `; ${count(trials)} ${trials === 1 ? 'trial' : 'trials'} in ${count(searches.length)} ${searches.length === 1 ? 'search' : 'searches'}`;
}

/** `epochs 10, batch size 256`. */
const settingsText = (settings: Record<string, unknown>): string =>
  Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${settingName(name)} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');

/** `batchSize` becomes `batch size`; replicas are called models in reports. */
export const settingName = (name: string): string =>
  name === 'replicas' ? 'models' : name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Describes how kernels were selected: the same seed, adapter and kernels give the same bits. */
function kernelsText({ measured, file, choicesHash }: RunRecord['tuning']): string {
  const how = measured > 0 ? `${measured} chosen by measurement (${file}), the others by rule` : 'chosen by rule';
  return `${how}; hash of all choices ${choicesHash}`;
}
