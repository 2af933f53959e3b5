import { formatValue } from '../base/check.ts';
import { DataError } from '../base/errors.ts';
import type { LayerDescription } from '../nn/graph/graph-config.ts';
import { type Regularizer, type RegularizerName, regularizerOf } from '../nn/regularizers.ts';

/** A number of a layer: one for all replicas, or one for each. */
export type ReplicaNumber = number | readonly number[];

/** Combines the numbers that the models have in one place. */
type Combine = (values: readonly ReplicaNumber[]) => ReplicaNumber;

/**
 * One description for models of the same structure: the first model, with every number that may differ between replicas (dropout rates,
 * penalties) replaced by the combined one. A missing penalty counts as 0, and a combined penalty of 0 is left out.
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
    const [l1, l2] = [combine(penalties.map((penalty) => penalty.l1)), combine(penalties.map((penalty) => penalty.l2))];
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
 * The model of one replica: every list of numbers is replaced by the number of this replica.
 * @param model a description that `modelFromConfig` accepts
 * @throws DataError if a list has no number for the replica
 */
export const configOfReplica = (model: LayerDescription, replica: number): LayerDescription =>
  combineConfigs([model], ([value]) => {
    if (typeof value === 'number') return value;
    const replicaValue = value![replica];
    if (replicaValue !== undefined) return replicaValue;
    throw new DataError(
      `model config: ${formatValue(value)} has a number for each replica, but none for replica ${replica}`,
    );
  });
