import { createHash } from 'node:crypto';
import type { ImageSet } from '../data/types.ts';
import type { WeightSpec } from '../nn/weights/weight.ts';
import type { Model } from '../training/model.ts';
import type { TrainSpec } from './experiment.ts';

// Hashes of everything that decides a result: computations with equal hashes return the same bits on the same adapter.

export const hashOf = (value: unknown): string =>
  createHash('sha256').update(stableJson(value)).digest('hex').slice(0, 16);

/** Returns a hash of every image and label of a set. Cached, because every training needs it. */
export function fingerprintOf(set: ImageSet): string {
  const known = fingerprints.get(set);
  if (known !== undefined) return known;
  const { images, labels, size, shape, classes } = set;
  const hash = createHash('sha256').update(JSON.stringify({ size, shape, classes })).update(labels).update(images);
  const fingerprint = hash.digest('hex').slice(0, 16);
  fingerprints.set(set, fingerprint);
  return fingerprint;
}
const fingerprints = new WeakMap<ImageSet, string>();

/** Returns JSON with sorted keys, with functions as their text and typed arrays as numbers. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => {
    if (typeof entry === 'function') return codeOf(entry);
    if (typeof entry === 'number' && !Number.isFinite(entry)) return String(entry);
    if (ArrayBuffer.isView(entry)) return Array.from(entry as unknown as ArrayLike<number>);
    if (entry === null || typeof entry !== 'object' || Array.isArray(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/**
 * Returns the text of a function without the numbers that a bundler appends to names that two modules share: they change with code
 * elsewhere. Members (`Math.log2`) and quoted text keep their numbers.
 */
const codeOf = (f: unknown) =>
  String(f).replace(
    /(["'])(?:\\.|(?!\1).)*\1|(?<![.\w$])([A-Za-z_$]+)(?:[2-9]|[1-9]\d+)\b/gs,
    (all: string, quote: string | undefined, name: string) => (quote ? all : name),
  );

/** Steps at which schedules are sampled: the text of a function does not contain the values that it captures. */
const SAMPLED_STEPS = [1, 2, 3, 5, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000];

/** Returns optimizer, loss, metrics and layers of a network as data. */
export function networkKey(model: Model, compiled: ReturnType<TrainSpec['compile']>): unknown {
  const { optimizer, loss, metrics } = compiled;
  return {
    // Functions in a layer's config become their text.
    layers: model.plannedLayers.map(({ layer, name }) => ({ name, kind: layer.kind, config: configOf(layer) })),
    ...givenWeights(model.plan(model.inputShape)),
    uses: model.uses,
    inputShape: model.inputShape,
    optimizer:
      typeof optimizer === 'string'
        ? optimizer
        : { ...optimizer, rates: SAMPLED_STEPS.map((step) => optimizer.ratesAt?.(step)) },
    loss: typeof loss === 'object' ? { kind: loss.constructor.name, ...loss, call: loss.call } : loss,
    metrics,
  };
}

/** Returns a hash of weights that do not come from a seed. */
function givenWeights({ weights }: { weights: readonly WeightSpec[] }): { weights?: string } {
  const given = weights.flatMap(({ initialValues }) => initialValues ?? []).filter((values) => values !== undefined);
  if (given.length === 0) return {};
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of given) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return { weights: hash.digest('hex') };
}

function configOf(layer: { getConfig?(): unknown }): unknown {
  try {
    return layer.getConfig?.();
  } catch {
    // Its config cannot be stored because it contains a function; the layer's fields contain it, too.
    return { ...layer };
  }
}
