import type { Hyperparameter, SearchRecord, Trial } from '../search/record.ts';
import { heading, paragraph, preformatted, section, table } from './blocks.ts';
import type { BlockInput, Cell, Provenance, ReportContent, Section } from './content.ts';
import { count, duration } from './format.ts';
import { bracketsBlock, curvesBlock, importanceBlocks, panelsBlock, parallelBlock } from './search-figures.ts';
import { type Importance, importancesOf, MIN_TRIALS } from './search-importance.ts';
import { bestTrial, isBuilderValue, rankTrials, roundOf, valueCell } from './search-trials.ts';

export interface SearchSectionsOptions {
  /** Prefix of the figures' titles; default: the search's name. */
  title?: string;
  /** Prefix of the names of the figures' files, if a report has several searches. */
  prefix?: string;
  /** How to train the best trial again, as code or as a command. */
  again?: string;
}

/** Why a table has no importance. */
const NOT_GIVEN = `n/a: an importance takes ${MIN_TRIALS} configurations that have the hyperparameter, with values and scores that are not all the same.`;

/** Creates the sections of a search's report from its record alone. */
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

/** Creates the same blocks within a section of a report, with the titles as headings. */
export const searchBlocks = (record: SearchRecord, options: SearchSectionsOptions = {}): BlockInput[] =>
  searchSections(record, options).flatMap(({ title, blocks }) => [heading(title), ...blocks]);

/** Creates the report of a search. */
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

/** `epochs 2, batchSize 8`. @param suffix text about options that are not plain data */
export const fitText = ({ fit }: SearchRecord, suffix = ''): string =>
  `${
    Object.entries(fit)
      .map(([option, value]) => `${option} ${value}`)
      .join(', ') || 'defaults'
  }${suffix}`;

/** `Hyperband (maxEpochs 10, factor 3)`. */
function searcherText({ searcher, options }: SearchRecord): string {
  const texts = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return texts.length > 0 ? `${searcher} (${texts.join(', ')})` : searcher;
}

/** Returns the settings that distinguish searches in a comparison. */
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
  const countOf = (status: Trial['status']) => trials.filter((trial) => trial.status === status).length;
  const others = [
    ...(countOf('pruned') > 0 ? [`${countOf('pruned')} pruned`] : []),
    ...(countOf('failed') > 0 ? [`${countOf('failed')} failed`] : []),
  ];
  const epochs = trials.reduce(
    (sum, { histories }) => sum + histories.reduce((epochs, history) => epochs + history.length, 0),
    0,
  );
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

/** The median, because the first trial also compiles the kernels that all trials use. */
function setUpText(trials: readonly Trial[]): string {
  const sorted = trials.map(({ seconds }) => seconds.setUp).sort((a, b) => a - b);
  return sorted.length === 0 ? 'no time' : `${duration(sorted[Math.floor(sorted.length / 2)]!)} (median)`;
}

/** The table of the space, with the best values and the importance of each hyperparameter. */
function hyperparametersTable(record: SearchRecord, importances: readonly Importance[]): BlockInput {
  const best = bestTrial(record);
  return table(
    ['hyperparameter', 'best', 'searched', 'importance', 'by chance', 'configurations'],
    record.space.map((hyperparameter): Cell[] => {
      const { name } = hyperparameter;
      const found = importances.find((importance) => importance.name === name);
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

/** `3 to 5, step 1`, `1e-8 to 0.0001, log`, `64, 128, 256`; its conditions follow. */
export function rangeText(hyperparameter: Hyperparameter): string {
  const conditions = hyperparameter.conditions.map(({ name, values }) => `${name} ${values.join(' or ')}`);
  const suffix = conditions.length > 0 ? `; if ${conditions.join(' and ')}` : '';
  switch (hyperparameter.kind) {
    case 'fixed':
      return `fixed${suffix}`;
    case 'boolean':
      return `false, true${suffix}`;
    case 'choice':
      return `${hyperparameter.values.join(', ')}${suffix}`;
    default: {
      const { min, max, step, sampling } = hyperparameter;
      const log = sampling === 'log' ? ', log' : '';
      const isPlain = hyperparameter.kind === 'int' && step === 1 && !log;
      return `${min} to ${max}${step === null || isPlain || (log && step === 1) ? '' : `, step ${step}`}${log}${suffix}`;
    }
  }
}

/** Maximum number of rows of the table; the search's folder has all trials. */
const MAX_ROWS = 2000;
const MAX_NAMES = 80;
/** Number of columns above which no screen shows all at once. */
const MAX_VISIBLE_COLUMNS = 10;

/** The table of all trials, the best first; a reader can sort it by any column. */
function trialsTable(record: SearchRecord): BlockInput {
  const trials = rankTrials(record);
  const searched = record.space
    .filter(({ kind, name }) => kind !== 'fixed' && isBuilderValue(name))
    .map(({ name }) => name);
  const names = searched.slice(0, MAX_NAMES);
  const any = (has: (trial: Trial) => boolean) => trials.some(has);
  const adapters = new Set(trials.map(({ adapter }) => adapter));
  const columns: [name: string, cellOf: (trial: Trial) => Cell, isShown?: boolean][] = [
    ['trial', ({ number }) => number],
    [record.objective.name, ({ score }) => (score === null ? null : valueCell(score))],
    ['status', ({ status }) => status, any(({ status }) => status !== 'completed')],
    // Before the columns that may be beyond the edge of the page.
    ['reason', ({ reason }) => reason ?? null, any(({ reason }) => reason !== undefined)],
    ['bracket', (trial) => roundOf(trial)?.bracket ?? null, any((trial) => roundOf(trial) !== null)],
    ['round', (trial) => roundOf(trial)?.round ?? null, any((trial) => roundOf(trial) !== null)],
    ['first epoch', firstEpoch, any((trial) => (firstEpoch(trial) ?? 1) > 1)],
    ['last epoch', ({ histories }) => histories[0]?.at(-1)?.epoch ?? null],
    ['best epoch', ({ bestEpoch }) => bestEpoch],
    ...names.map((name): [string, (trial: Trial) => Cell] => [name, ({ values }) => valueCell(values[name])]),
    ['parameters', ({ parameters }) => parameters],
    ['seconds', ({ seconds }) => Number(seconds.total.toFixed(2))],
    ['adapter', ({ adapter }) => adapter, adapters.size > 1],
    ['worker', ({ worker }) => worker ?? null, any(({ worker }) => worker !== undefined)],
  ];
  const shownColumns = columns.filter(([, , isShown = true]) => isShown);
  const notes = [
    ...(shownColumns.length > MAX_VISIBLE_COLUMNS
      ? [`${shownColumns.length} columns: it scrolls sideways where they do not fit`]
      : []),
    ...(trials.length > MAX_ROWS ? [`${MAX_ROWS} of ${count(trials.length)}`] : []),
    ...(searched.length > MAX_NAMES ? [`${MAX_NAMES} of ${searched.length} hyperparameters`] : []),
  ];
  return {
    type: 'table',
    caption: ['Trials, the best first', ...notes].join('; '),
    head: shownColumns.map(([name]) => name),
    rows: trials.slice(0, MAX_ROWS).map((trial) => shownColumns.map(([, cellOf]) => cellOf(trial))),
    sortable: true,
  };
}

/** Returns the first epoch of a trial; above 1 if it continues another trial. */
const firstEpoch = ({ histories }: Trial): number | null => histories[0]?.[0]?.epoch ?? null;
