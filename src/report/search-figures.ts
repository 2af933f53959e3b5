import type { Hyperparameter, SearchRecord, Trial } from '../search/record.ts';
import { bars, figureName } from './blocks.ts';
import type { BlockInput } from './content.ts';
import type { Figure } from './figures/schema.ts';
import { MAX_TRIALS } from './figures/search-schema.ts';
import { type Importance, importanceText, MIN_TRIALS } from './search-importance.ts';
import { chainsOf, rankTrials, roundOf } from './search-trials.ts';
import { meanAndSd } from './statistics.ts';

// The drawings of a search's report.

/** Axes of a drawing: more could not be told apart. */
const MAX_AXES = 24;
/** Whole numbers up to so many get a tick each. */
const MAX_TICKS = 7;

const RELIED_ON = 'hardly by chance';
const MAY_BE_CHANCE = 'may be chance (above 0.05)';

type Axis = Extract<Figure, { type: 'parallel' }>['axes'][number];

interface Naming {
  /** Before the title of each figure. */
  title: string;
  /** Before the name of each figure's files. */
  prefix?: string;
}

/** The axis of a hyperparameter; null of one that is fixed. */
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

/** A value as the axis of its hyperparameter has it. */
const placeOf = (trial: Trial, { kind, label }: Axis): number | string | null => {
  const value = trial.values[label];
  if (value === undefined) return null;
  return kind === 'names' ? String(value) : Number(value);
};

/** The best trials, as many as a drawing takes. */
function drawnTrials(record: SearchRecord): { trials: Trial[]; note: string[] } {
  const all = rankTrials(record);
  const left = all.length - MAX_TRIALS;
  return {
    trials: all.slice(0, MAX_TRIALS),
    note: left > 0 ? [`the best ${MAX_TRIALS}; ${left} more are not drawn`] : [],
  };
}

/** Axes of what was searched, the most important ones where there are too many, and what is said of those left out. */
function axesOf(record: SearchRecord, importances: readonly Importance[]): { axes: Axis[]; note: string[] } {
  const all = record.space.flatMap((one) => axisOf(one) ?? []);
  if (all.length <= MAX_AXES) return { axes: all, note: [] };
  const order = byImportance(importances).map(({ name }) => name);
  const chosen = order.slice(0, MAX_AXES);
  return {
    axes: all.filter(({ label }) => chosen.includes(label)),
    note: [`the ${MAX_AXES} most important of ${all.length} hyperparameters`],
  };
}

const byImportance = (importances: readonly Importance[]): Importance[] =>
  [...importances].sort((a, b) => (b.importance ?? -1) - (a.importance ?? -1));

export function parallelBlock(record: SearchRecord, importances: readonly Importance[], naming: Naming): BlockInput[] {
  const { trials, note } = drawnTrials(record);
  const { axes, note: left } = axesOf(record, importances);
  if (trials.length === 0 || axes.length === 0) return [];
  const figure: Figure = {
    ...{ type: 'parallel', name: figureName(naming.prefix, 'parallel'), title: `${naming.title}: trials` },
    subtitle: [...note, ...left],
    objective: objectiveOf(record),
    axes,
    lines: trials.map((trial) => ({
      ...{ trial: trial.number, score: trial.score },
      values: axes.map((axis) => placeOf(trial, axis)),
    })),
  };
  return [{ type: 'figure', figure }];
}

export function panelsBlock(record: SearchRecord, importances: readonly Importance[], naming: Naming): BlockInput[] {
  const { trials, note } = drawnTrials(record);
  const { axes, note: left } = axesOf(record, importances);
  if (trials.length === 0 || axes.length === 0) return [];
  const order = byImportance(importances).map(({ name }) => name);
  const sorted = [...axes].sort((a, b) => order.indexOf(a.label) - order.indexOf(b.label));
  const failed = trials.filter(({ score }) => score === null).length;
  const figure: Figure = {
    ...{ type: 'panels', name: figureName(naming.prefix, 'panels') },
    title: `${naming.title}: ${record.objective.name} against each hyperparameter`,
    subtitle: [
      'the most important one first',
      ...note,
      ...left,
      ...(failed > 0 ? [`${failed} ${failed === 1 ? 'trial' : 'trials'} without a score left out`] : []),
    ],
    objective: objectiveOf(record),
    panels: sorted.map((axis) => ({
      axis,
      note: noteOf(importances.find(({ name }) => name === axis.label)),
      points: trials
        .map((trial) => ({ trial: trial.number, score: trial.score, value: placeOf(trial, axis) }))
        .filter(({ value }) => value !== null),
    })),
  };
  return [{ type: 'figure', figure }];
}

const noteOf = (found: Importance | undefined) =>
  typeof found?.importance === 'number' ? `importance ${found.importance.toFixed(2)}` : '';

/** Importance of each hyperparameter as bars, with what it is; only words where there are too few trials for any. */
export function importanceBlocks(importances: readonly Importance[], naming: Naming): BlockInput[] {
  const sorted = byImportance(importances).filter(({ importance }) => importance !== null);
  const [most] = importances.map(({ trials }) => trials).sort((a, b) => b - a);
  if (sorted.length === 0) {
    return [
      {
        type: 'text',
        text: `Importance of the hyperparameters: not given, as ${
          (most ?? 0) < MIN_TRIALS
            ? `it takes ${MIN_TRIALS} configurations that have a hyperparameter, and there are ${most ?? 0}`
            : 'none differs from the others in its values or its score'
        }.`,
      },
    ];
  }
  return [
    bars({
      name: figureName(naming.prefix, 'importance'),
      title: `${naming.title}: importance of the hyperparameters`,
      subtitle: [`from ${most} configurations; one-way analysis of ranks`],
      x: { label: 'hyperparameter' },
      y: { label: 'importance', format: '.2f' },
      horizontal: true,
      groups: [RELIED_ON, MAY_BE_CHANCE],
      bars: sorted.slice(0, MAX_AXES).map(({ name, importance, chance }) => ({
        category: name,
        group: chance! <= 0.05 ? RELIED_ON : MAY_BE_CHANCE,
        value: importance,
      })),
    }),
    { type: 'text', text: importanceText },
  ];
}

/** The objective of every trial over its epochs; the mean of its executions. */
export function curvesBlock(record: SearchRecord, naming: Naming): BlockInput[] {
  const { trials, note } = drawnTrials(record);
  const { name } = record.objective;
  const before = new Map(
    chainsOf(record).flatMap((chain) => chain.slice(1).map((one, i) => [one, chain[i]!] as const)),
  );
  const lines = trials
    .map((trial) => {
      const own = meanHistory(trial, name);
      // A later round goes on where the one before ended.
      const parent = before.get(trial);
      const ended = parent ? meanHistory(parent, name) : { x: [], y: [] };
      const goesOn = parent ? { before: parent.number } : {};
      const line = { x: [...ended.x.slice(-1), ...own.x], y: [...ended.y.slice(-1), ...own.y] };
      return { trial: trial.number, score: trial.score, ...goesOn, ...line };
    })
    .filter(({ y }) => y.some((value) => value !== null));
  if (lines.length === 0) return [];
  const figure: Figure = {
    ...{ type: 'trials', name: figureName(naming.prefix, 'learning-curves') },
    title: `${naming.title}: learning curves of all trials`,
    subtitle: [...(before.size > 0 ? ['later rounds are drawn from the end of the round before'] : []), ...note],
    objective: objectiveOf(record),
    x: { label: 'epoch' },
    y: { label: name },
    lines,
  };
  return [{ type: 'figure', figure }];
}

function meanHistory({ histories }: Trial, name: string): { x: number[]; y: (number | null)[] } {
  const longest = histories.reduce((best, one) => (one.length > best.length ? one : best), histories[0] ?? []);
  const y = longest.map((_, i) => {
    const values = histories.flatMap((epochs) => epochs[i]?.[name] ?? []);
    return meanAndSd(values).mean;
  });
  return { x: longest.map(({ epoch }) => epoch), y };
}

/** Hyperband's brackets; nothing for a search without. */
export function bracketsBlock(record: SearchRecord, naming: Naming): BlockInput[] {
  const chains = chainsOf(record).filter(([first]) => roundOf(first!) !== null);
  const numbers = [...new Set(chains.map(([first]) => roundOf(first!)!.bracket))].sort((a, b) => b - a);
  if (numbers.length === 0) return [];
  const brackets = numbers.map((bracket) => {
    const own = chains.filter(([first]) => roundOf(first!)!.bracket === bracket);
    const rounds = new Map<number, number>();
    for (const trial of own.flat()) {
      const { round } = roundOf(trial)!;
      rounds.set(round, (rounds.get(round) ?? 0) + 1);
    }
    const sizes = [...rounds].sort(([a], [b]) => a - b).map(([, count]) => count);
    return {
      label: `bracket ${bracket}: ${sizes.join(', ')} trials`,
      configurations: own.slice(0, MAX_TRIALS).map((chain) =>
        chain.map((trial) => {
          const { from, to: planned } = roundOf(trial)!;
          // Early stopping ends some sooner; a failed one may have no epoch at all.
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
