import type { Hyperparameter, SearchRecord, Trial } from '../search/record.ts';
import { bars, figureName } from './blocks.ts';
import type { BlockInput } from './content.ts';
import type { Figure } from './figures/schema.ts';
import { MAX_TRIALS } from './figures/search-schema.ts';
import { type Importance, importanceText, MIN_TRIALS } from './search-importance.ts';
import { chainsOf, rankTrials, roundOf } from './search-trials.ts';
import { meanAndSd } from './statistics.ts';

// The figures of a search's report.

/** Maximum number of axes of a figure: more would be illegible. */
const MAX_AXES = 24;
/** Maximum number of steps that each get a tick. */
const MAX_TICKS = 7;

const NOT_CHANCE = 'hardly by chance';
const MAY_BE_CHANCE = 'may be chance (above 0.05)';

type Axis = Extract<Figure, { type: 'parallel' }>['axes'][number];

interface Naming {
  /** Prefix of each figure's title. */
  title: string;
  /** Prefix of the names of each figure's files. */
  prefix?: string;
}

/** Returns the axis of a hyperparameter; null if it is fixed. */
export function axisOf(hyperparameter: Hyperparameter): Axis | null {
  const { name: label } = hyperparameter;
  switch (hyperparameter.kind) {
    case 'fixed':
      return null;
    case 'boolean':
      return { kind: 'names', label, names: ['false', 'true'] };
    case 'choice':
      return { kind: 'names', label, names: [...new Set(hyperparameter.values.map(String))].slice(0, 200) };
    default: {
      const { min, max, step, sampling } = hyperparameter;
      const log = sampling === 'log';
      const count = step && !log ? Math.floor((max - min) / step + 1e-9) + 1 : 0;
      const ticks = Array.from({ length: count <= MAX_TICKS ? count : 0 }, (_, i) =>
        Number((min + i * (step ?? 0)).toPrecision(6)),
      );
      return { kind: 'number', label, log, min, max, ...(ticks.length > 0 ? { ticks } : {}) };
    }
  }
}

/** Returns a trial's value on the axis of a hyperparameter. */
const axisValueOf = (trial: Trial, { kind, label }: Axis): number | string | null => {
  const value = trial.values[label];
  if (value === undefined) return null;
  return kind === 'names' ? String(value) : Number(value);
};

/** Returns the best trials, as many as a figure can have, and a note about the others. */
function selectTrials(record: SearchRecord): { trials: Trial[]; note: string[] } {
  const all = rankTrials(record);
  const omitted = all.length - MAX_TRIALS;
  return {
    trials: all.slice(0, MAX_TRIALS),
    note: omitted > 0 ? [`the best ${MAX_TRIALS}; ${omitted} more are not drawn`] : [],
  };
}

/** Returns the axes of the searched hyperparameters, the most important ones if there are too many, and a note about the others. */
function axesOf(record: SearchRecord, importances: readonly Importance[]): { axes: Axis[]; note: string[] } {
  const all = record.space.flatMap((hyperparameter) => axisOf(hyperparameter) ?? []);
  if (all.length <= MAX_AXES) return { axes: all, note: [] };
  const order = sortByImportance(importances).map(({ name }) => name);
  const chosen = order.slice(0, MAX_AXES);
  return {
    axes: all.filter(({ label }) => chosen.includes(label)),
    note: [`the ${MAX_AXES} most important of ${all.length} hyperparameters`],
  };
}

const sortByImportance = (importances: readonly Importance[]): Importance[] =>
  [...importances].sort((a, b) => (b.importance ?? -1) - (a.importance ?? -1));

export function parallelBlock(record: SearchRecord, importances: readonly Importance[], naming: Naming): BlockInput[] {
  const { trials, note } = selectTrials(record);
  const { axes, note: axesNote } = axesOf(record, importances);
  if (trials.length === 0 || axes.length === 0) return [];
  const figure: Figure = {
    ...{ type: 'parallel', name: figureName(naming.prefix, 'parallel'), title: `${naming.title}: trials` },
    subtitle: [...note, ...axesNote],
    objective: objectiveOf(record),
    axes,
    lines: trials.map((trial) => ({
      ...{ trial: trial.number, score: trial.score },
      values: axes.map((axis) => axisValueOf(trial, axis)),
    })),
  };
  return [{ type: 'figure', figure }];
}

export function panelsBlock(record: SearchRecord, importances: readonly Importance[], naming: Naming): BlockInput[] {
  const { trials, note } = selectTrials(record);
  const { axes, note: axesNote } = axesOf(record, importances);
  if (trials.length === 0 || axes.length === 0) return [];
  const order = sortByImportance(importances).map(({ name }) => name);
  const sorted = [...axes].sort((a, b) => order.indexOf(a.label) - order.indexOf(b.label));
  const failed = trials.filter(({ score }) => score === null).length;
  const figure: Figure = {
    ...{ type: 'panels', name: figureName(naming.prefix, 'panels') },
    title: `${naming.title}: ${record.objective.name} against each hyperparameter`,
    subtitle: [
      'the most important one first',
      ...note,
      ...axesNote,
      ...(failed > 0 ? [`${failed} ${failed === 1 ? 'trial' : 'trials'} without a score left out`] : []),
    ],
    objective: objectiveOf(record),
    panels: sorted.map((axis) => ({
      axis,
      note: noteOf(importances.find(({ name }) => name === axis.label)),
      points: trials
        .map((trial) => ({ trial: trial.number, score: trial.score, value: axisValueOf(trial, axis) }))
        .filter(({ value }) => value !== null),
    })),
  };
  return [{ type: 'figure', figure }];
}

const noteOf = (found: Importance | undefined) =>
  typeof found?.importance === 'number' ? `importance ${found.importance.toFixed(2)}` : '';

/** Bars of the importance of each hyperparameter, with an explanation; only text if there are too few trials. */
export function importanceBlocks(importances: readonly Importance[], naming: Naming): BlockInput[] {
  const sorted = sortByImportance(importances).filter(({ importance }) => importance !== null);
  const [mostTrials] = importances.map(({ trials }) => trials).sort((a, b) => b - a);
  if (sorted.length === 0) {
    return [
      {
        type: 'text',
        text: `Importance of the hyperparameters: not given, as ${
          (mostTrials ?? 0) < MIN_TRIALS
            ? `it takes ${MIN_TRIALS} configurations that have a hyperparameter, and there are ${mostTrials ?? 0}`
            : 'none differs from the others in its values or its score'
        }.`,
      },
    ];
  }
  return [
    bars({
      name: figureName(naming.prefix, 'importance'),
      title: `${naming.title}: importance of the hyperparameters`,
      subtitle: [`from ${mostTrials} configurations; one-way analysis of ranks`],
      x: { label: 'hyperparameter' },
      y: { label: 'importance', format: '.2f' },
      horizontal: true,
      groups: [NOT_CHANCE, MAY_BE_CHANCE],
      bars: sorted.slice(0, MAX_AXES).map(({ name, importance, chance }) => ({
        category: name,
        group: chance! <= 0.05 ? NOT_CHANCE : MAY_BE_CHANCE,
        value: importance,
      })),
    }),
    { type: 'text', text: importanceText },
  ];
}

/** The objective of every trial over its epochs; the mean of its executions. */
export function curvesBlock(record: SearchRecord, naming: Naming): BlockInput[] {
  const { trials, note } = selectTrials(record);
  const { name } = record.objective;
  const parents = new Map(
    chainsOf(record).flatMap((chain) => chain.slice(1).map((trial, i) => [trial, chain[i]!] as const)),
  );
  const lines = trials
    .map((trial) => {
      const history = meanHistory(trial, name);
      // A later round continues at the end of the round before.
      const parent = parents.get(trial);
      const parentHistory = parent ? meanHistory(parent, name) : { x: [], y: [] };
      const continuation = parent ? { before: parent.number } : {};
      const line = { x: [...parentHistory.x.slice(-1), ...history.x], y: [...parentHistory.y.slice(-1), ...history.y] };
      return { trial: trial.number, score: trial.score, ...continuation, ...line };
    })
    .filter(({ y }) => y.some((value) => value !== null));
  if (lines.length === 0) return [];
  const figure: Figure = {
    ...{ type: 'trials', name: figureName(naming.prefix, 'learning-curves') },
    title: `${naming.title}: learning curves of all trials`,
    subtitle: [...(parents.size > 0 ? ['later rounds are drawn from the end of the round before'] : []), ...note],
    objective: objectiveOf(record),
    x: { label: 'epoch' },
    y: { label: name },
    lines,
  };
  return [{ type: 'figure', figure }];
}

function meanHistory({ histories }: Trial, name: string): { x: number[]; y: (number | null)[] } {
  const longest = histories.reduce((best, epochs) => (epochs.length > best.length ? epochs : best), histories[0] ?? []);
  const y = longest.map((_, i) => {
    const values = histories.flatMap((epochs) => epochs[i]?.[name] ?? []);
    return meanAndSd(values).mean;
  });
  return { x: longest.map(({ epoch }) => epoch), y };
}

/** The brackets of Hyperband; empty for other searches. */
export function bracketsBlock(record: SearchRecord, naming: Naming): BlockInput[] {
  const chains = chainsOf(record).filter(([first]) => roundOf(first!) !== null);
  const numbers = [...new Set(chains.map(([first]) => roundOf(first!)!.bracket))].sort((a, b) => b - a);
  if (numbers.length === 0) return [];
  const brackets = numbers.map((bracket) => {
    const bracketChains = chains.filter(([first]) => roundOf(first!)!.bracket === bracket);
    const rounds = new Map<number, number>();
    for (const trial of bracketChains.flat()) {
      const { round } = roundOf(trial)!;
      rounds.set(round, (rounds.get(round) ?? 0) + 1);
    }
    const sizes = [...rounds].sort(([a], [b]) => a - b).map(([, count]) => count);
    return {
      label: `bracket ${bracket}: ${sizes.join(', ')} trials`,
      configurations: bracketChains.slice(0, MAX_TRIALS).map((chain) =>
        chain.map((trial) => {
          const { from, to: planned } = roundOf(trial)!;
          // Early stopping ends some trials sooner; a failed trial may have no epoch.
          const to = trial.histories.reduce((last, epochs) => Math.max(last, epochs.at(-1)?.epoch ?? 0), from);
          return { trial: trial.number, score: trial.score, from, to, planned };
        }),
      ),
    };
  });
  const figure: Figure = {
    ...{
      type: 'brackets',
      name: figureName(naming.prefix, 'brackets'),
      title: `${naming.title}: brackets of Hyperband`,
    },
    subtitle: [
      `a bar a configuration, a piece a round, as long as it was trained; behind it ${record.objective.name} of its last round`,
    ],
    objective: objectiveOf(record),
    brackets,
  };
  return [{ type: 'figure', figure }];
}

const objectiveOf = ({ objective }: SearchRecord) => ({ label: objective.name, direction: objective.direction });
