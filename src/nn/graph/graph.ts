import { checkSurplus, formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import { type Graph, type Layer, SymbolicTensor, type Use } from '../layers/layer.ts';
import type { WeightSpec } from '../weights/weight.ts';

/**
 * The input of a model: a placeholder for samples of this shape, on which layers are applied.
 * @throws ArgumentError unless the shape is a list of positive integers
 */
export function input(shape: Shape, ...surplus: never[]): SymbolicTensor {
  checkSurplus('input', surplus);
  if (!readList('input', shape)?.every((n) => Number.isInteger(n) && (n as number) > 0)) {
    throw new ArgumentError(
      `input: takes the shape of one sample such as [32, 32, 3], but was given ${formatValue(shape)}`,
    );
  }
  return new SymbolicTensor(shape);
}

const JOIN_ADVICE = {
  inputs: 'pass all inputs as one array, and split it with Lambda layers that slice',
  outputs: 'join them with a Concatenate layer, or make a model for each',
};

/** @throws ArgumentError unless the input and the output of a model are single symbolic tensors */
function checkEnds(kind: string, ends: { inputs: unknown; outputs: unknown }): void {
  for (const [role, end] of Object.entries(ends)) {
    const list = readList(kind, end);
    if (list?.every((one) => one instanceof SymbolicTensor)) {
      const advice = list.length === 1 ? 'give it without the list' : JOIN_ADVICE[role as keyof typeof JOIN_ADVICE];
      throw new ArgumentError(
        `${kind}: a model has one input and one output, but ${role} is a list of ${list.length}; ${advice}`,
      );
    }
    if (!(end instanceof SymbolicTensor)) {
      throw new ArgumentError(
        `${kind}: inputs and outputs must be results of input() and layer.apply(), but ${formatValue(end)} was given`,
      );
    }
  }
}

/**
 * The graph of layers between a model's input and its output.
 * @throws ArgumentError if the output depends on another input, or if two layers have the same name; ShapeError if a layer is used twice
 *   with shapes that need different weights
 */
export function traceGraph(kind: string, from: SymbolicTensor, to: SymbolicTensor): Graph {
  checkEnds(kind, { inputs: from, outputs: to });
  const values = ancestors(kind, from, to);
  if (from === to || values[0] !== from) {
    throw new ArgumentError(`${kind}: the output does not come from the input that was given`);
  }
  const layers: { layer: Layer; firstOutput: SymbolicTensor }[] = [];
  // Maps instead of linear searches: a model may have tens of thousands of layers.
  const indexOf = new Map<Layer, number>();
  const numberOf = new Map(values.map((value, i) => [value, i]));
  const uses = values.slice(1).map((value): Use => {
    const { layer, inputs, weights } = value.source!;
    const index = indexOf.get(layer) ?? layers.push({ layer, firstOutput: value }) - 1;
    indexOf.set(layer, index);
    checkSameWeights(kind, layer, layers[index]!.firstOutput.source!.weights, weights);
    return { layer: index, inputs: inputs.map((input) => numberOf.get(input)!) };
  });
  const names = uniqueNames(
    kind,
    layers.map(({ layer }) => layer),
  );
  return {
    layers: layers.map(({ layer, firstOutput }, i) => ({
      layer,
      name: names[i]!,
      inbound: firstOutput.source!.inputs.map((one) =>
        one === from ? 'input' : names[indexOf.get(one.source!.layer)!]!,
      ),
      outputShape: firstOutput.shape,
      weights: firstOutput.source!.weights,
    })),
    uses,
    shapes: values.map(({ shape }) => shape),
    inputShape: from.shape,
    outputShape: to.shape,
  };
}

/** `from` and all values between it and `to`, in order of creation. */
function ancestors(kind: string, from: SymbolicTensor, to: SymbolicTensor): SymbolicTensor[] {
  const seen = new Set([to]);
  const pending = [to];
  for (let value = pending.pop(); value; value = pending.pop()) {
    if (value === from) continue; // a model may begin in the middle of a larger one
    if (!value.source)
      throw new ArgumentError(`${kind}: the output also depends on another input than the one that was given`);
    for (const input of value.source.inputs) {
      if (!seen.has(input)) {
        seen.add(input);
        pending.push(input);
      }
    }
  }
  return [...seen].sort((a, b) => a.serial - b.serial);
}

function checkSameWeights(kind: string, layer: Layer, a: readonly WeightSpec[], b: readonly WeightSpec[]): void {
  if (a.length === b.length && a.every(({ shape }, i) => sameShape(shape, b[i]!.shape))) return;
  const all = (weights: readonly WeightSpec[]) => weights.map(({ shape }) => showShape(shape)).join(', ');
  throw new ShapeError(
    `${kind}: a ${layer.kind} layer is used twice, but its inputs need different weights (${all(a)} and ${all(b)}); make two layers`,
  );
}

/** Names as in Keras: the kind in snake case, numbered from the second on. @throws ArgumentError if two layers have the same name */
function uniqueNames(model: string, layers: readonly Layer[]): string[] {
  const seen = new Map<string, number>();
  const used = new Set<string>();
  return layers.map((layer) => {
    const base = snakeCase(layer.kind);
    const n = seen.get(base) ?? 0;
    if (!layer.named) seen.set(base, n + 1);
    const name = layer.named ? layer.name! : n === 0 ? base : `${base}_${n}`;
    if (used.has(name)) throw new ArgumentError(`${model}: two layers are called ${name}; rename one`);
    used.add(name);
    layer.name ??= name;
    return name;
  });
}

/** `GlobalAveragePooling2D` -> `global_average_pooling2d`, `ReLU` -> `re_lu`, as in Keras. */
export const snakeCase = (kind: string): string =>
  kind
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/2_?D$/, '2d')
    .toLowerCase();
