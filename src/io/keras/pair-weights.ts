import { listNames } from '../../base/check.ts';
import { DataError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import type { Layer, PlannedLayer } from '../../nn/index.ts';
import { Model } from '../../training/index.ts';
import { layersInKerasOrder } from './layer-order.ts';
import type { StoredLayer, StoredWeight, StoredWeights } from './stored.ts';

/** A weight of a model. */
interface ModelWeight {
  /** As in the model's `weights`. */
  name: string;
  shape: Shape;
  trainable: boolean;
}

/** A layer with weights, or a nested model with all weights of its layers, in Keras's order. */
interface ModelLayer {
  name: string;
  weights: ModelWeight[];
  /** For a nested model, its layers with weights, those of its own nested models included; null for a layer. */
  innerLayers: ModelLayer[] | null;
}

/** Limit of the differences that a message lists, because a wrong file may differ in hundreds. */
const MAX_LISTED = 5;

/**
 * Pairs the weights of a file with those of a model, by Keras's rules.
 * @param name name of the file, for messages
 * @returns the file's weights by the names of the model's
 * @throws DataError if layers or shapes differ; the message names the differences
 */
export function pairWeights(model: Model, { layout, layers }: StoredWeights, name: string): Map<string, StoredWeight> {
  const differences: string[] = [];
  const pairs = layout === 'path' ? pairByPath(model, layers, differences) : pairByOrder(model, layers, differences);
  for (const [weight, stored] of pairs) {
    if (sameShape(weight.shape, stored.shape)) continue;
    differences.push(
      `${weight.name} is ${showShape(weight.shape)} in the model, ${stored.path} ${showShape(stored.shape)} in the file`,
    );
  }
  if (differences.length > 0) {
    const more = differences.length > MAX_LISTED ? `; and ${differences.length - MAX_LISTED} more differences` : '';
    throw new DataError(
      `${name} does not fit the model ${model.title}: ${differences.slice(0, MAX_LISTED).join('; ')}${more}`,
    );
  }
  return new Map(pairs.map(([weight, stored]) => [weight.name, stored]));
}

type Pairs = [weight: ModelWeight, stored: StoredWeight][];

/** Pairs layers by name if file and model have the same names, else by order, as Keras does. */
function pairByOrder(model: Model, stored: readonly StoredLayer[], differences: string[]): Pairs {
  const layers = modelLayers(model, '');
  if (layers.length !== stored.length) {
    differences.push(
      `the file has ${stored.length} layers with weights, the model ${layers.length}`,
      ...describeFirstDifference(layers, stored),
    );
    return [];
  }
  return matchByName(layers, stored).flatMap(([layer, other]): Pairs => {
    const pairs = layer.innerLayers ? pairInnerLayers(layer.innerLayers, other) : pairLayer(layer, other.weights);
    if (pairs) return pairs;
    differences.push(
      `the model's layer ${layer.name} has ${layer.weights.length} weights, the file's ${other.name} ${other.weights.length}`,
    );
    return [];
  });
}

/** Describes the first layers that differ, for different numbers of layers. */
function describeFirstDifference(layers: readonly ModelLayer[], stored: readonly StoredLayer[]): string[] {
  const shapes = (layer: ModelLayer | StoredLayer | undefined) =>
    layer?.weights.map(({ shape }) => showShape(shape)) ?? [];
  const count = Math.max(layers.length, stored.length);
  const first = Array.from({ length: count }, (_, i) => i).find(
    (i) => String(shapes(layers[i])) !== String(shapes(stored[i])),
  );
  if (first === undefined) return [];
  const describe = (layer: ModelLayer | StoredLayer | undefined) =>
    layer ? `${layer.name} (${listNames(shapes(layer), MAX_LISTED)})` : 'none';
  return [`the first that differ are the model's ${describe(layers[first])} and the file's ${describe(stored[first])}`];
}

/** Pairs the entries of two lists of equal length: by name if both have the same names, else by index. */
function matchByName<A extends { name: string }, B extends { name: string }>(
  entries: readonly A[],
  stored: readonly B[],
): [A, B][] {
  const byName = new Map(stored.map((entry) => [entry.name, entry]));
  const hasSameNames = byName.size === entries.length && entries.every(({ name }) => byName.has(name));
  return entries.map((entry, i) => [entry, hasSameNames ? byName.get(entry.name)! : stored[i]!]);
}

const pairLayer = (layer: ModelLayer, stored: readonly StoredWeight[]): Pairs | null =>
  layer.weights.length === stored.length ? layer.weights.map((weight, i) => [weight, stored[i]!]) : null;

/**
 * Pairs the weights of a nested model, which is one layer in the file. The order of its weights depends on the layers that were frozen when
 * the file was written, so the weights are grouped again by the names of their layers, with which their own names begin.
 */
function pairInnerLayers(innerLayers: readonly ModelLayer[], { weights }: StoredLayer): Pairs | null {
  const layers = new Map<string, StoredWeight[]>();
  for (const weight of weights) {
    const name = weight.name.split('/').at(-2) ?? '';
    layers.set(name, [...(layers.get(name) ?? []), weight]);
  }
  const stored = [...layers].map(([name, weights]) => ({ name, weights }));
  if (stored.length === innerLayers.length) {
    const pairs = matchByName(innerLayers, stored).map(([layer, { weights }]) => pairLayer(layer, weights));
    if (pairs.every((pair) => pair !== null)) return pairs.flat();
  }
  // If the names do not contain layers: Keras's order, trainable weights first.
  const all = innerLayers.flatMap((layer) => layer.weights);
  if (all.length !== weights.length) return null;
  const ordered = [...all.filter(({ trainable }) => trainable), ...all.filter(({ trainable }) => !trainable)];
  return ordered.map((weight, i) => [weight, weights[i]!]);
}

/** Returns the layers with weights in Keras's order. @param path prefix of the names of their weights */
function modelLayers(model: Model, path: string): ModelLayer[] {
  return layersInKerasOrder(model).flatMap(({ layer, name, weights }): ModelLayer[] => {
    const layerPath = `${path}${name}/`;
    if (!(layer instanceof Model))
      return weights.length > 0
        ? [{ name, weights: weights.map(toModelWeight(layerPath, layer)), innerLayers: null }]
        : [];
    const innerLayers = modelLayers(layer, layerPath).flatMap((part) => part.innerLayers ?? [part]);
    return innerLayers.length > 0 ? [{ name, weights: innerLayers.flatMap((part) => part.weights), innerLayers }] : [];
  });
}

/** Weights of a frozen layer count as not trainable, as in Keras. */
const toModelWeight =
  (path: string, layer: Layer) =>
  ({ name, shape, trainable = true }: PlannedLayer['weights'][number]): ModelWeight => ({
    name: `${path}${name}`,
    shape,
    trainable: trainable && layer.trainable,
  });

/** Pairs by path, for files of Keras 3, in which the name of a layer is its class and its number within its model. */
function pairByPath(model: Model, stored: readonly StoredLayer[], differences: string[]): Pairs {
  const layers = layersByPath(model, 'layers', '');
  const storedByPath = new Map(stored.map((layer) => [layer.name, layer]));
  const missing = layers.filter(({ path }) => !storedByPath.has(path));
  const paths = new Set(layers.map(({ path }) => path));
  const surplus = stored.filter(({ name }) => !paths.has(name));
  if (missing.length > 0)
    differences.push(
      `the file lacks ${listNames(
        missing.map(({ name, path }) => `${name} (${path})`),
        MAX_LISTED,
      )}`,
    );
  if (surplus.length > 0)
    differences.push(
      `the model lacks ${listNames(
        surplus.map(({ name }) => name),
        MAX_LISTED,
      )}`,
    );
  return layers.flatMap((layer): Pairs => {
    const other = storedByPath.get(layer.path);
    if (!other) return [];
    const pairs = pairLayer(layer, other.weights);
    if (pairs) return pairs;
    differences.push(
      `the model's layer ${layer.name} has ${layer.weights.length} weights, the file's ${other.name} ${other.weights.length}`,
    );
    return [];
  });
}

function layersByPath(model: Model, list: string, prefix: string): (ModelLayer & { path: string })[] {
  const counts = new Map<string, number>();
  return layersInKerasOrder(model).flatMap(({ layer, name, weights }) => {
    const kind = toFileName(layer.kind);
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const path = `${list}/${kind}${count > 0 ? `_${count}` : ''}`;
    const layerPath = `${prefix}${name}/`;
    if (layer instanceof Model) return layersByPath(layer, `${path}/layers`, layerPath);
    return weights.length > 0
      ? [{ name: `${prefix}${name}`, path, weights: weights.map(toModelWeight(layerPath, layer)), innerLayers: null }]
      : [];
  });
}

/** Returns a class name as Keras 3 writes it in files: `DepthwiseConv2D` -> `depthwise_conv2d`. */
const toFileName = (kind: string): string =>
  kind
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
