import { formatValue } from '../base/check.ts';
import { DataError } from '../base/errors.ts';
import type { LayerDescription } from '../nn/graph/graph-config.ts';
import { type Regularizer, type RegularizerName, regularizerOf } from '../nn/regularizers.ts';

/** A number of a layer that replicas may differ in: one for all, or one for each. */
export type ReplicaNumber = number | readonly number[];

/** Makes one number of those that several models have in one place, or of the one that a single model has there. */
type Combine = (values: readonly ReplicaNumber[]) => ReplicaNumber;

/**
 * Models of one structure as one: the first, in which every number that replicas may differ in (rates of dropout, penalties) is what
 * `combine` makes of those of all models. A layer without a penalty counts as one with a penalty of 0, and has none where `combine` gives 0.
 */
export function combineConfigs(models: readonly LayerDescription[], combine: Combine): LayerDescription {
  const { className, config } = models[0]!;
  const { layers } = config;
  if (Array.isArray(layers)) {
    const inner = layers.map((_, i) =>
      combineConfigs(
        models.map((model) => (model.config.layers as LayerDescription[])[i]!),
        combine,
      ),
    );
    return { className, config: { ...config, layers: inner } };
  }
  const combined = { ...config };
  if (className === 'Dropout') combined.rate = combine(models.map((model) => model.config.rate as ReplicaNumber));
  for (const name of new Set(models.flatMap((model) => Object.keys(model.config)))) {
    const values = models.map((model) => model.config[name]);
    if (!name.endsWith('Regularizer') || !values.every(isPenalty)) continue;
    const penalties = values.map((value) => regularizerOf(name, value) ?? { l1: 0, l2: 0 });
    const [l1, l2] = [combine(penalties.map((one) => one.l1)), combine(penalties.map((one) => one.l2))];
    delete combined[name];
    if (l1 !== 0 || l2 !== 0) combined[name] = { l1, l2 };
  }
  return { className, config: combined };
}

const isPenalty = (value: unknown): value is RegularizerName | Regularizer | null | undefined =>
  value === undefined ||
  value === null ||
  value === 'l1' ||
  value === 'l2' ||
  (typeof value === 'object' && ('l1' in value || 'l2' in value));

/**
 * The model of one replica: of every list the number that this replica has.
 * @param model a description that `modelFromConfig` accepts
 * @throws DataError for a list that has none for it
 */
export const configOfReplica = (model: LayerDescription, replica: number): LayerDescription =>
  combineConfigs([model], ([value]) => {
    if (typeof value === 'number') return value;
    const own = value![replica];
    if (own !== undefined) return own;
    throw new DataError(
      `model config: ${formatValue(value)} has a number for each replica, but none for replica ${replica}`,
    );
  });
