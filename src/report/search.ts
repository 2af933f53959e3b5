import type { Hyperparameter, SearchRecord, Trial } from '../search/record.ts';
import { heading, paragraph, preformatted, section, table } from './blocks.ts';
import type { BlockInput, Cell, Provenance, ReportContent, Section } from './content.ts';
import { count, duration } from './format.ts';
import { bracketsBlock, curvesBlock, importanceBlocks, panelsBlock, parallelBlock } from './search-figures.ts';
import { type Importance, importancesOf, MIN_TRIALS } from './search-importance.ts';
import { bestTrial, isOwn, rankTrials, roundOf, valueCell } from './search-trials.ts';

export interface SearchSectionsOptions {
  /** Before the titles of the drawings; default the search's name. */
  title?: string;
  /** Before the names of the drawings' files, where a report has several searches. */
  prefix?: string;
  /** How to train the best again, as code or as a command. */
  again?: string;
}

/** Why a table has no figure. */
const NOT_GIVEN = `n/a: an importance takes ${MIN_TRIALS} configurations that have the hyperparameter, with values and scores that are not all the same.`;

/** What a report says of a search: made of its record alone. */
export function searchSections(record: SearchRecord, options: SearchSectionsOptions = {}): Section[] {
  const { title = record.name, prefix, again } = options;
  const naming = { title, ...(prefix === undefined ? {} : { prefix }) };
  const importances = importancesOf(record);
  const best = bestTrial(record);
  const brackets = bracketsBlock(record, naming);
  return [
    section(
      'What was found',
      paragraph(summaryText(record)),
      hyperparametersTable(record, importances),
      ...(importances.some(({ importance }) => importance === null) ? [paragraph(NOT_GIVEN)] : []),
      ...(best && again !== undefined ? [heading('How to train the best again'), preformatted(again)] : []),
    ),
    section('Trials', trialsTable(record), parallelBlock(record, importances, naming)),
    section('Hyperparameters', importanceBlocks(importances, naming), panelsBlock(record, importances, naming)),
    section('Learning curves', curvesBlock(record, naming)),
    ...(brackets.length > 0 ? [section('Brackets', brackets)] : []),
  ];
}

/** The same within a section of a report, its titles as headings. */
export const searchBlocks = (record: SearchRecord, options: SearchSectionsOptions = {}): BlockInput[] =>
  searchSections(record, options).flatMap(({ title, blocks }) => [heading(title), ...blocks]);

/** A report of a search by itself. */
export const searchReport = (
  record: SearchRecord,
  about: Pick<ReportContent, 'status' | 'reduced' | 'warnings'> & {
    title?: string;
    question?: string[];
    provenance: Provenance;
    again?: string;
  },
): ReportContent => {
  const { title = 'Search for hyperparameters', question, provenance, again, ...rest } = about;
  return {
    ...{ kind: 'tilegrad-report', schemaVersion: 1, id: record.name, title },
    ...rest,
    question: question ?? [
      `Which hyperparameters give the ${record.objective.direction === 'max' ? 'highest' : 'lowest'} ${record.objective.name}?`,
    ],
    sections: searchSections(record, again === undefined ? {} : { again }),
    provenance: [{ ...provenance, settings: { ...settingsOf(record), ...provenance.settings } }],
  };
};

/** `epochs 2, batchSize 8`. @param behind what is not plain data */
export const fitText = ({ fit }: SearchRecord, behind = ''): string =>
  `${
    Object.entries(fit)
      .map(([option, value]) => `${option} ${value}`)
      .join(', ') || 'defaults'
  }${behind}`;

/** `Hyperband (maxEpochs 10, factor 3)`. */
function searcherText({ searcher, options }: SearchRecord): string {
  const named = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return named.length > 0 ? `${searcher} (${named.join(', ')})` : searcher;
}

/** What tells one search from another, side by side. */
function settingsOf(record: SearchRecord): Record<string, string> {
  const { trials, objective } = record;
  const best = bestTrial(record);
  return {
    [`Best ${objective.name}`]: best ? String(valueCell(best.score!)) : 'none',
    'Best trial': best ? `number ${best.number}` : 'none',
    Trials: String(trials.length),
    'Failed trials': String(trials.filter(({ status }) => status === 'failed').length),
    Searcher: searcherText(record),
  };
}

/** `30 trials of Hyperband (maxEpochs 10, factor 3): ...`. */
function summaryText(record: SearchRecord): string {
  const { trials, objective, executionsPerTrial, seed } = record;
  const of = (status: Trial['status']) => trials.filter((trial) => trial.status === status).length;
  const others = [
    ...(of('pruned') > 0 ? [`${of('pruned')} pruned`] : []),
    ...(of('failed') > 0 ? [`${of('failed')} failed`] : []),
  ];
  const epochs = trials.reduce((sum, { histories }) => sum + histories.reduce((own, one) => own + one.length, 0), 0);
  const total = trials.reduce((sum, { seconds }) => sum + seconds.total, 0);
  const best = bestTrial(record);
  return [
    `${count(trials.length)} ${trials.length === 1 ? 'trial' : 'trials'} of ${searcherText(record)}, seed ${seed}`,
    executionsPerTrial > 1 ? `, ${executionsPerTrial} executions each` : '',
    others.length > 0 ? `; ${others.join(', ')}` : '',
    `. ${count(epochs)} epochs; the trials took ${duration(total)} in all, setting one up ${setUpText(trials)}. `,
    best
      ? `Best: trial ${best.number} with ${objective.name} ${valueCell(best.score!)}${best.bestEpoch === null ? '' : ` in epoch ${best.bestEpoch}`}.`
      : 'No trial has a score.',
  ].join('');
}

/** The median: the first trial compiles what the others share. */
function setUpText(trials: readonly Trial[]): string {
  const sorted = trials.map(({ seconds }) => seconds.setUp).sort((a, b) => a - b);
  return sorted.length === 0 ? 'no time' : `${duration(sorted[Math.floor(sorted.length / 2)]!)} (median)`;
}

/** The space, with the best values and how much each of them counts. */
function hyperparametersTable(record: SearchRecord, importances: readonly Importance[]): BlockInput {
  const best = bestTrial(record);
  return table(
    ['hyperparameter', 'best', 'searched', 'importance', 'by chance', 'configurations'],
    record.space.map((hyperparameter): Cell[] => {
      const { name } = hyperparameter;
      const found = importances.find((one) => one.name === name);
      const value = best?.values[name];
      return [
        name,
        value === undefined ? '–' : String(valueCell(value)),
        rangeText(hyperparameter),
        found?.importance?.toFixed(2) ?? 'n/a',
        found?.chance?.toFixed(3) ?? 'n/a',
        found?.trials ?? null,
      ];
    }),
    'Hyperparameters, in the order in which trials first asked for them',
  );
}

/** `3 to 5, step 1`, `1e-8 to 0.0001, log`, `64, 128, 256`; what it depends on behind. */
export function rangeText(hyperparameter: Hyperparameter): string {
  const conditions = hyperparameter.conditions.map(({ name, values }) => `${name} ${values.join(' or ')}`);
  const behind = conditions.length > 0 ? `; if ${conditions.join(' and ')}` : '';
  switch (hyperparameter.kind) {
    case 'fixed':
      return `fixed${behind}`;
    case 'boolean':
      return `false, true${behind}`;
    case 'choice':
      return `${hyperparameter.values.join(', ')}${behind}`;
    default: {
      const { min, max, step, sampling } = hyperparameter;
      const log = sampling === 'log' ? ', log' : '';
      const plain = hyperparameter.kind === 'int' && step === 1 && !log;
      return `${min} to ${max}${step === null || plain || (log && step === 1) ? '' : `, step ${step}`}${log}${behind}`;
    }
  }
}

/** Of a table; the search's own folder has all. */
const MAX_ROWS = 2000;
const MAX_NAMES = 80;
/** Columns that no screen shows at once. */
const WIDE = 10;

/** Every trial, the best first; a reader may sort it by any column. */
function trialsTable(record: SearchRecord): BlockInput {
  const trials = rankTrials(record);
  const searched = record.space.filter(({ kind, name }) => kind !== 'fixed' && isOwn(name)).map(({ name }) => name);
  const names = searched.slice(0, MAX_NAMES);
  const some = (has: (trial: Trial) => boolean) => trials.some(has);
  const adapters = new Set(trials.map(({ adapter }) => adapter));
  const columns: [name: string, of: (trial: Trial) => Cell, isShown?: boolean][] = [
    ['trial', ({ number }) => number],
    [record.objective.name, ({ score }) => (score === null ? null : valueCell(score))],
    ['status', ({ status }) => status, some(({ status }) => status !== 'completed')],
    // Before what may lie beyond the edge of the page.
    ['reason', ({ reason }) => reason ?? null, some(({ reason }) => reason !== undefined)],
    ['bracket', (trial) => roundOf(trial)?.bracket ?? null, some((trial) => roundOf(trial) !== null)],
    ['round', (trial) => roundOf(trial)?.round ?? null, some((trial) => roundOf(trial) !== null)],
    ['first epoch', firstEpoch, some((trial) => (firstEpoch(trial) ?? 1) > 1)],
    ['last epoch', ({ histories }) => histories[0]?.at(-1)?.epoch ?? null],
    ['best epoch', ({ bestEpoch }) => bestEpoch],
    ...names.map((name): [string, (trial: Trial) => Cell] => [name, ({ values }) => valueCell(values[name])]),
    ['parameters', ({ parameters }) => parameters],
    ['seconds', ({ seconds }) => Number(seconds.total.toFixed(2))],
    ['adapter', ({ adapter }) => adapter, adapters.size > 1],
    ['worker', ({ worker }) => worker ?? null, some(({ worker }) => worker !== undefined)],
  ];
  const shown = columns.filter(([, , isShown = true]) => isShown);
  const notes = [
    ...(shown.length > WIDE ? [`${shown.length} columns: it scrolls sideways where they do not fit`] : []),
    ...(trials.length > MAX_ROWS ? [`${MAX_ROWS} of ${count(trials.length)}`] : []),
    ...(searched.length > MAX_NAMES ? [`${MAX_NAMES} of ${searched.length} hyperparameters`] : []),
  ];
  return {
    type: 'table',
    caption: ['Trials, the best first', ...notes].join('; '),
    head: shown.map(([name]) => name),
    rows: trials.slice(0, MAX_ROWS).map((trial) => shown.map(([, of]) => of(trial))),
    sortable: true,
  };
}

/** 1, or more of a trial that went on from another. */
const firstEpoch = ({ histories }: Trial): number | null => histories[0]?.[0]?.epoch ?? null;
