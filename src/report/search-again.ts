import type { SearchRecord } from '../search/record.ts';
import { bestTrial, isBuilderValue, parentOf } from './search-trials.ts';

export interface RetrainOptions {
  /** The search's folder, relative to the folder in which the code runs. */
  folder: string;
  /** Import path of the search's module, such as `./own.mjs`; null if it is unknown. */
  module: string | null;
}

/**
 * Returns code that loads the best trial's network, and that trains it again, to the same bits on the same adapter; null if no trial has a
 * score. A trial of a later round of Hyperband starts again with the weights of the round before.
 */
export function retrainText(record: SearchRecord, { folder, module }: RetrainOptions): string | null {
  const best = bestTrial(record);
  if (!best) return null;
  const { number, values } = best;
  const { executionsPerTrial: executions } = record;
  const builderValues = Object.fromEntries(Object.entries(values).filter(([name]) => isBuilderValue(name)));
  const parent = parentOf(best, record);
  const seed = record.seed + number * executions;
  const initialEpoch = (best.histories[0]?.[0]?.epoch ?? 1) - 1;
  const last = Math.max(1, ...best.histories.map((epochs) => epochs.at(-1)?.epoch ?? 1));
  const planned = values['tuner/epochs'] ?? record.fit.epochs;
  // A pruned trial ended before its planned epoch. A callback that ended a trial does so again.
  const epochs = best.status === 'pruned' || typeof planned !== 'number' ? last : planned;
  const weights = (trialNumber: number) =>
    JSON.stringify(`${folder}/weights/${String(trialNumber).padStart(4, '0')}.safetensors`);
  const replicas = executions > 1 ? `, replicas: ${executions}` : '';
  return [
    ...(module === null
      ? ['// With buildModel, data and fit as the search had them.']
      : [`// A module in the folder in which the search was started.`]),
    `import { HyperParameters, loadModel${parent ? ', loadWeights' : ''}, openDevice } from 'tilegrad/node';`,
    ...(module === null ? [] : [`import * as search from ${JSON.stringify(module)};`]),
    '',
    'const device = await openDevice();',
    '',
    `// The network of trial ${number} as it was kept${executions > 1 ? ', of its first execution' : ''}: with the weights of its best epoch.`,
    `const best = loadModel(${weights(number)}, device);`,
    '',
    ...(parent
      ? [
          `// Trained again: trial ${number} went on with the weights of trial ${parent.number}, after epoch ${initialEpoch}.`,
        ]
      : ['// Trained again.']),
    ...(executions > 1 ? [`// Its score is the mean over ${executions} executions: replicas of one model.`] : []),
    `const values = ${JSON.stringify(builderValues, null, 2)};`,
    ...(module === null
      ? []
      : [
          "const of = (one) => (typeof one === 'function' && one.length > 0 ? one(device) : one);",
          'const data = await of(search.data);',
          "const fit = typeof search.fit === 'function' ? await search.fit(device) : (search.fit ?? {});",
        ]),
    `const model = ${module === null ? '' : 'search.'}buildModel(new HyperParameters({ values }));`,
    `model.build(device, { seed: ${seed}${replicas} });`,
    ...(parent ? [`loadWeights(model, ${weights(parent.number)});`] : []),
    'const history = await model.fit(data, {',
    '  ...fit,',
    `  epochs: ${epochs}${initialEpoch > 0 ? `, initialEpoch: ${initialEpoch}` : ''}, seed: ${seed}${replicas},`,
    `  callbacks: fit.callbacks?.({ number: ${number}, values }) ?? [],`,
    '});',
  ].join('\n');
}
