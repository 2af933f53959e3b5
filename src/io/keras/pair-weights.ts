import { listNames } from '../../base/check.ts';
import { DataError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import type { Layer, PlannedLayer } from '../../nn/index.ts';
import { Model } from '../../training/index.ts';
import { kerasOrder } from './layer-order.ts';
import type { StoredLayer, StoredWeight, StoredWeights } from './stored.ts';

/** A weight of a model. */
interface ModelWeight {
  /** As in the model's `weights`. */
  name: string;
  shape: Shape;
  trainable: boolean;
}

/** A layer with weights, or a model within the model with all weights of its layers, in Keras's order. */
interface ModelLayer {
  name: string;
  weights: ModelWeight[];
  /** Those of a model within the model: its layers with weights, and theirs where they are models, each with its own name. */
  parts: ModelLayer[] | null;
}

/** Differences that a message lists at most: a wrong file may differ in hundreds. */
const MAX_LISTED = 5;

/**
 * Which weight of a file belongs to which of a model, by the names of the model's weights: Keras's rules.
 * @param name the file's, for messages
 * @throws DataError where file and model have other layers or shapes, saying which
 */
export function pairWeights(model: Model, { layout, layers }: StoredWeights, name: string): Map<string, StoredWeight> {
  const differences: string[] = [];
  const pairs = layout === 'path' ? pairByPath(model, layers, differences) : pairByOrder(model, layers, differences);
  for (const [own, stored] of pairs) {
    if (sameShape(own.shape, stored.shape)) continue;
    differences.push(
      `${own.name} is ${showShape(own.shape)} in the model, ${stored.path} ${showShape(stored.shape)} in the file`,
    );
  }
  if (differences.length > 0) {
    const more = differences.length > MAX_LISTED ? `; and ${differences.length - MAX_LISTED} more differences` : '';
    throw new DataError(
      `${name} does not fit the model ${model.title}: ${differences.slice(0, MAX_LISTED).join('; ')}${more}`,
    );
  }
  return new Map(pairs.map(([own, stored]) => [own.name, stored]));
}

type Pairs = [own: ModelWeight, stored: StoredWeight][];

/** By name where both have the same names, else one after another, as Keras does. */
function pairByOrder(model: Model, stored: readonly StoredLayer[], differences: string[]): Pairs {
  const own = modelLayers(model, '');
  if (own.length !== stored.length) {
    differences.push(
      `the file has ${stored.length} layers with weights, the model ${own.length}`,
      ...firstOther(own, stored),
    );
    return [];
  }
  return matchByName(own, stored).flatMap(([layer, other]): Pairs => {
    const pairs = layer.parts ? pairParts(layer.parts, other) : pairLayer(layer, other.weights);
    if (pairs) return pairs;
    differences.push(
      `the model's layer ${layer.name} has ${layer.weights.length} weights, the file's ${other.name} ${other.weights.length}`,
    );
    return [];
  });
}

/** Of other numbers of layers, the first that differ. */
function firstOther(own: readonly ModelLayer[], stored: readonly StoredLayer[]): string[] {
  const shapes = (layer: ModelLayer | StoredLayer | undefined) =>
    layer?.weights.map(({ shape }) => showShape(shape)) ?? [];
  const at = Math.max(own.length, stored.length);
  const first = Array.from({ length: at }, (_, i) => i).find(
    (i) => String(shapes(own[i])) !== String(shapes(stored[i])),
  );
  if (first === undefined) return [];
  const said = (layer: ModelLayer | StoredLayer | undefined) =>
    layer ? `${layer.name} (${listNames(shapes(layer), MAX_LISTED)})` : 'none';
  return [`the first that differ are the model's ${said(own[first])} and the file's ${said(stored[first])}`];
}

/** Each of `own` with the one of `stored` of its name, if all have one, else with the one in its place. There are as many of both. */
function matchByName<A extends { name: string }, B extends { name: string }>(
  own: readonly A[],
  stored: readonly B[],
): [A, B][] {
  const byName = new Map(stored.map((one) => [one.name, one]));
  const isNamedAlike = byName.size === own.length && own.every(({ name }) => byName.has(name));
  return own.map((one, i) => [one, isNamedAlike ? byName.get(one.name)! : stored[i]!]);
}

const pairLayer = (own: ModelLayer, stored: readonly StoredWeight[]): Pairs | null =>
  own.weights.length === stored.length ? own.weights.map((weight, i) => [weight, stored[i]!]) : null;

/**
 * A model within the model: one layer in the file, with the weights of all its layers. Which of them come first depends on which were
 * frozen as the file was written, so they are put together again by the layers that their names begin with.
 */
function pairParts(own: readonly ModelLayer[], { weights }: StoredLayer): Pairs | null {
  const layers = new Map<string, StoredWeight[]>();
  for (const weight of weights) {
    const name = weight.name.split('/').at(-2) ?? '';
    layers.set(name, [...(layers.get(name) ?? []), weight]);
  }
  const stored = [...layers].map(([name, weights]) => ({ name, weights }));
  if (stored.length === own.length) {
    const pairs = matchByName(own, stored).map(([layer, { weights }]) => pairLayer(layer, weights));
    if (pairs.every((pair) => pair !== null)) return pairs.flat();
  }
  // Names that say nothing of layers: Keras's order, the trainable ones first.
  const all = own.flatMap((layer) => layer.weights);
  if (all.length !== weights.length) return null;
  const ordered = [...all.filter(({ trainable }) => trainable), ...all.filter(({ trainable }) => !trainable)];
  return ordered.map((weight, i) => [weight, weights[i]!]);
}

/** Layers with weights in Keras's order. `path` is what the names of their weights begin with. */
function modelLayers(model: Model, path: string): ModelLayer[] {
  return kerasOrder(model).flatMap(({ layer, name, weights }): ModelLayer[] => {
    const at = `${path}${name}/`;
    if (!(layer instanceof Model))
      return weights.length > 0 ? [{ name, weights: weights.map(ownWeight(at, layer)), parts: null }] : [];
    const parts = modelLayers(layer, at).flatMap((part) => part.parts ?? [part]);
    return parts.length > 0 ? [{ name, weights: parts.flatMap((part) => part.weights), parts }] : [];
  });
}

/** As Keras tells them apart: those of a frozen layer are not trained. */
const ownWeight =
  (path: string, layer: Layer) =>
  ({ name, shape, trainable = true }: PlannedLayer['weights'][number]): ModelWeight => ({
    name: `${path}${name}`,
    shape,
    trainable: trainable && layer.trainable,
  });

/** Files of Keras 3, in which a layer is called by its class, and counted within the model it is in. */
function pairByPath(model: Model, stored: readonly StoredLayer[], differences: string[]): Pairs {
  const own = layersByPath(model, 'layers', '');
  const held = new Map(stored.map((layer) => [layer.name, layer]));
  const lacking = own.filter(({ path }) => !held.has(path));
  const known = new Set(own.map(({ path }) => path));
  const surplus = stored.filter(({ name }) => !known.has(name));
  if (lacking.length > 0)
    differences.push(
      `the file lacks ${listNames(
        lacking.map(({ name, path }) => `${name} (${path})`),
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
  return own.flatMap((layer): Pairs => {
    const other = held.get(layer.path);
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
  return kerasOrder(model).flatMap(({ layer, name, weights }) => {
    const kind = fileName(layer.kind);
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const path = `${list}/${kind}${count > 0 ? `_${count}` : ''}`;
    const at = `${prefix}${name}/`;
    if (layer instanceof Model) return layersByPath(layer, `${path}/layers`, at);
    return weights.length > 0
      ? [{ name: `${prefix}${name}`, path, weights: weights.map(ownWeight(at, layer)), parts: null }]
      : [];
  });
}

/** A class as Keras 3 writes it in files: `DepthwiseConv2D` -> `depthwise_conv2d`. */
const fileName = (kind: string): string =>
  kind
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
