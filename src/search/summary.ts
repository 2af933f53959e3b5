import { toPrintableLine } from '../base/printable.ts';
import type { Hyperparameter, HyperparameterValue, Objective, SearchRecord, Trial } from './record.ts';

// The texts of KerasTuner, in its layout: see https://github.com/keras-team/keras-tuner, `engine/tuner_utils.py` of 1.0.

/** A value as Python prints it, which is what KerasTuner shows: `1e-08`, `True`, `None`. */
export function pythonText(value: HyperparameterValue | null | readonly HyperparameterValue[]): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  return `[${value.map((one) => (typeof one === 'string' ? `'${one}'` : pythonText(one))).join(', ')}]`;
}

/** Python begins exponents at 1e-05 and 1e+16, JavaScript at 1e-7 and 1e+21; the digits are the same. */
function numberText(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e16)) return String(value);
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

const setting = (text: string) => `|-${toPrintableLine(text)}`;

function settingsOf(one: Hyperparameter): [string, string][] {
  if (one.kind === 'fixed') return [['value', pythonText(one.value)]];
  if (one.kind === 'boolean') return [['default', pythonText(one.default)]];
  if (one.kind === 'choice') {
    return [
      ['default', pythonText(one.default)],
      ['ordered', pythonText(one.ordered)],
      ['values', pythonText(one.values)],
    ];
  }
  return [
    ['default', pythonText(one.default)],
    ['max_value', pythonText(one.max)],
    ['min_value', pythonText(one.min)],
    ['sampling', one.sampling === 'linear' ? 'None' : one.sampling],
    ['step', pythonText(one.step)],
  ];
}

/** KerasTuner's `search_space_summary()`. */
export function searchSpaceText(space: readonly Hyperparameter[]): string {
  const lines = ['[Search space summary]', setting(`Default search space size: ${space.length}`)];
  for (const one of space) {
    lines.push(`> ${toPrintableLine(one.name)} (${one.kind[0]!.toUpperCase()}${one.kind.slice(1)})`);
    for (const { name, values } of one.conditions) lines.push(setting(`condition: ${name} in ${pythonText(values)}`));
    lines.push(...settingsOf(one).map(([name, value]) => setting(`${name}: ${value}`)));
  }
  return lines.join('\n');
}

/** KerasTuner's summary of a trial; its epochs are counted from 1 here. */
export function trialText(trial: Trial): string {
  const { number, score, bestEpoch, status, reason, values } = trial;
  return [
    '[Trial summary]',
    setting(`Trial ID: ${number}`),
    ...(status === 'completed' ? [] : [setting(`Status: ${status}${reason === undefined ? '' : `: ${reason}`}`)]),
    setting(`Score: ${pythonText(score)}`),
    setting(`Best epoch: ${pythonText(bestEpoch)}`),
    '> Hyperparameters:',
    ...Object.keys(values)
      .sort()
      .map((name) => setting(`${name}: ${pythonText(values[name]!)}`)),
  ].join('\n');
}

/** KerasTuner's `results_summary()`. @param folder where the search is kept */
export function resultsText(record: SearchRecord, folder: string, most: number): string {
  const { objective, trials } = record;
  const best = bestTrials(objective, trials).slice(0, most);
  const counts = (['completed', 'pruned', 'failed'] as const).flatMap((status) => {
    const count = trials.filter((trial) => trial.status === status).length;
    return count === 0 && status !== 'completed' ? [] : [`${count} ${status}`];
  });
  const head = [
    '[Results summary]',
    setting(`Results in ${folder}`),
    setting(`Trials: ${counts.join(', ')}`),
    setting(`Showing ${best.length} best trials`),
    setting(`Objective: ${objective.name} (${objective.direction})`),
  ];
  return [...head, ...best.map(trialText)].join('\n');
}

/** Trials with a score, the best first; of equal ones, the earlier. */
export function bestTrials({ direction }: Objective, trials: readonly Trial[]): Trial[] {
  const sign = direction === 'max' ? -1 : 1;
  return trials
    .filter(({ score }) => score !== null)
    .sort((a, b) => sign * (a.score! - b.score!) || a.number - b.number);
}
