import { toPrintableLine } from '../base/printable.ts';
import type { Hyperparameter, HyperparameterValue, Objective, SearchRecord, Trial } from './record.ts';

// KerasTuner's texts in its layout: see https://github.com/keras-team/keras-tuner, `engine/tuner_utils.py` of 1.0.

/** Returns a value as Python prints it, because KerasTuner shows it so: `1e-08`, `True`, `None`. */
export function pythonText(value: HyperparameterValue | null | readonly HyperparameterValue[]): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  return `[${value.map((entry) => (typeof entry === 'string' ? `'${entry}'` : pythonText(entry))).join(', ')}]`;
}

/** Python begins exponents at 1e-05 and 1e+16, JavaScript at 1e-7 and 1e+21; the digits are the same. */
function numberText(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e16)) return String(value);
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

const formatSetting = (text: string) => `|-${toPrintableLine(text)}`;

function settingsOf(h: Hyperparameter): [string, string][] {
  if (h.kind === 'fixed') return [['value', pythonText(h.value)]];
  if (h.kind === 'boolean') return [['default', pythonText(h.default)]];
  if (h.kind === 'choice') {
    return [
      ['default', pythonText(h.default)],
      ['ordered', pythonText(h.ordered)],
      ['values', pythonText(h.values)],
    ];
  }
  return [
    ['default', pythonText(h.default)],
    ['max_value', pythonText(h.max)],
    ['min_value', pythonText(h.min)],
    ['sampling', h.sampling === 'linear' ? 'None' : h.sampling],
    ['step', pythonText(h.step)],
  ];
}

/** KerasTuner's `search_space_summary()`. */
export function searchSpaceText(space: readonly Hyperparameter[]): string {
  const lines = ['[Search space summary]', formatSetting(`Default search space size: ${space.length}`)];
  for (const h of space) {
    lines.push(`> ${toPrintableLine(h.name)} (${h.kind[0]!.toUpperCase()}${h.kind.slice(1)})`);
    for (const { name, values } of h.conditions)
      lines.push(formatSetting(`condition: ${name} in ${pythonText(values)}`));
    lines.push(...settingsOf(h).map(([name, value]) => formatSetting(`${name}: ${value}`)));
  }
  return lines.join('\n');
}

/** KerasTuner's summary of a trial; its epochs are counted from 1 here. */
export function trialText(trial: Trial): string {
  const { number, score, bestEpoch, status, reason, values } = trial;
  return [
    '[Trial summary]',
    formatSetting(`Trial ID: ${number}`),
    ...(status === 'completed' ? [] : [formatSetting(`Status: ${status}${reason === undefined ? '' : `: ${reason}`}`)]),
    formatSetting(`Score: ${pythonText(score)}`),
    formatSetting(`Best epoch: ${pythonText(bestEpoch)}`),
    '> Hyperparameters:',
    ...Object.keys(values)
      .sort()
      .map((name) => formatSetting(`${name}: ${pythonText(values[name]!)}`)),
  ].join('\n');
}

/** KerasTuner's `results_summary()`. @param folder the folder of the search */
export function resultsText(record: SearchRecord, folder: string, maxTrials: number): string {
  const { objective, trials } = record;
  const best = bestTrials(objective, trials).slice(0, maxTrials);
  const counts = (['completed', 'pruned', 'failed'] as const).flatMap((status) => {
    const count = trials.filter((trial) => trial.status === status).length;
    return count === 0 && status !== 'completed' ? [] : [`${count} ${status}`];
  });
  const head = [
    '[Results summary]',
    formatSetting(`Results in ${folder}`),
    formatSetting(`Trials: ${counts.join(', ')}`),
    formatSetting(`Showing ${best.length} best trials`),
    formatSetting(`Objective: ${objective.name} (${objective.direction})`),
  ];
  return [...head, ...best.map(trialText)].join('\n');
}

/** Returns the trials with a score, the best first; for equal scores, the lower number first. */
export function bestTrials({ direction }: Objective, trials: readonly Trial[]): Trial[] {
  const sign = direction === 'max' ? -1 : 1;
  return trials
    .filter(({ score }) => score !== null)
    .sort((a, b) => sign * (a.score! - b.score!) || a.number - b.number);
}
