import { layerCalls } from '../../src/nn/graph/layer-calls.ts';
import {
  Activation,
  Add,
  BatchNormalization,
  Conv2D,
  DepthwiseConv2D,
  Dropout,
  input,
  type Layer,
  Model,
  ReLU,
  type Shape,
  type SymbolicTensor,
  ZeroPadding2D,
} from '../../src/node.ts';
import type { random } from './random.ts';

// Models drawn from the layers that are computed in one go (src/nn/graph/fusion.ts): their orders, with some left out; branches, sums, layers
// and models that are called several times.

type Draw = ReturnType<typeof random>;

export const pick = <T>({ integer }: Draw, list: readonly T[]): T => list[integer(0, list.length - 1)]!;
export const chance = ({ uniform }: Draw, share: number): boolean => uniform() < share;

/** Padding, mostly as padding 'same' has it for such images. */
function zeros(draw: Draw, shape: Shape, { kernelSize: [kh, kw], strides, dilationRate }: Window): Layer {
  const side = (size: number, taps: number): [number, number] => {
    const extent = (taps - 1) * dilationRate + 1;
    const all = Math.max(0, (Math.ceil(size / strides) - 1) * strides + extent - size);
    return [Math.floor(all / 2), Math.ceil(all / 2)];
  };
  const padding: [[number, number], [number, number]] = [side(shape[0]!, kh), side(shape[1]!, kw)];
  const kind = draw.uniform();
  if (kind < 0.15) padding[draw.integer(0, 1)]![draw.integer(0, 1)]!++;
  else if (kind < 0.4) for (const sides of padding) sides.reverse(); // as many, in other places
  return new ZeroPadding2D({ padding });
}

interface Window {
  kernelSize: [number, number];
  strides: number;
  dilationRate: number;
}

/** A convolution, with zeros before it or not. */
function convolution(draw: Draw, shape: Shape): Layer[] {
  const [h, w] = shape as [number, number];
  const isDilated = h >= 5 && w >= 5 && chance(draw, 0.2);
  const window: Window = {
    kernelSize: [draw.integer(1, Math.min(3, h)), draw.integer(1, Math.min(3, w))],
    strides: isDilated ? 1 : draw.integer(1, 2),
    dilationRate: isDilated ? 2 : 1,
  };
  const isPadded = chance(draw, 0.6);
  const options = {
    ...window,
    padding: isPadded ? ('valid' as const) : pick(draw, ['valid', 'same'] as const),
    useBias: chance(draw, 0.5),
    activation: pick(draw, ['linear', 'linear', 'linear', 'relu', 'relu6', 'tanh'] as const),
  };
  const layer = chance(draw, 0.5)
    ? new Conv2D({ ...options, filters: pick(draw, [3, 4, 8]) })
    : new DepthwiseConv2D({ ...options, depthMultiplier: pick(draw, [1, 1, 2]) });
  return isPadded ? [zeros(draw, shape, window), layer] : [layer];
}

const normalization = (draw: Draw): Layer =>
  new BatchNormalization({
    center: chance(draw, 0.7),
    scale: chance(draw, 0.7),
    axis: pick(draw, [-1, -1, -1, 3, 1, 2]),
    momentum: 0.8,
    epsilon: pick(draw, [1e-3, 1e-5]),
  });

const rectifier = (draw: Draw): Layer =>
  pick(draw, [
    () => new ReLU({ maxValue: 6 }),
    () => new ReLU(),
    () => new ReLU({ maxValue: 1.5 }),
    () => new ReLU({ negativeSlope: 0.1 }),
    () => new ReLU({ negativeSlope: 0.1, maxValue: 6 }),
    () => new ReLU({ maxValue: 0 }),
    () => new Activation('relu'),
    () => new Activation('relu6'),
    () => new Activation('tanh'),
    () => new Activation('linear'),
  ])();

/** Adds layers to `from`, in `steps` steps. @param depth how many models it is in */
export function growModel(draw: Draw, from: SymbolicTensor, steps: number, depth = 0): SymbolicTensor {
  const values = [from];
  /** Layers whose output has the shape of their input, which can be called again. */
  const reusable: { layer: Layer; shape: string }[] = [];
  const shapeOf = ({ shape }: SymbolicTensor) => shape.join();
  let x = from;
  const apply = (layer: Layer, ...others: SymbolicTensor[]) => {
    const y = layer.apply(others.length > 0 ? [x, ...others] : x);
    if (others.length === 0 && shapeOf(y) === shapeOf(x)) reusable.push({ layer, shape: shapeOf(x) });
    values.push(y);
    x = y;
  };
  for (let step = 0; step < steps; step++) {
    const kind = draw.uniform();
    if (kind < 0.45) {
      const before = values.length;
      if (chance(draw, 0.8)) for (const layer of convolution(draw, x.shape)) apply(layer);
      if (chance(draw, 0.8)) apply(normalization(draw));
      if (chance(draw, 0.8)) apply(rectifier(draw));
      // Something else reads what lies in the middle.
      const inside = values.slice(before, -1).filter((value) => shapeOf(value) === shapeOf(x));
      if (inside.length > 0 && chance(draw, 0.3)) apply(new Add(), pick(draw, inside));
    } else if (kind < 0.55) {
      apply(rectifier(draw));
    } else if (kind < 0.6) {
      apply(new Dropout(0.3));
    } else if (kind < 0.75) {
      const alike = values.filter((value) => shapeOf(value) === shapeOf(x));
      apply(new Add(), pick(draw, alike));
    } else if (kind < 0.85) {
      const fitting = reusable.filter(({ shape }) => shape === shapeOf(x));
      if (fitting.length > 0) apply(pick(draw, fitting).layer);
    } else if (depth < 2) {
      const inner = input(x.shape);
      const model = new Model({ inputs: inner, outputs: growModel(draw, inner, draw.integer(1, 3), depth + 1) });
      apply(model);
      if (shapeOf(x) === shapeOf(inner) && chance(draw, 0.5)) apply(model);
    }
  }
  if (x === from) apply(new Activation('linear'));
  return x;
}

/** The layers of a model, those of models within it too. */
export const allLayers = (model: Model): Layer[] => [...new Set(layerCalls(model.graph).map(({ layer }) => layer))];

/** Gives each layer its own `call`, so that no layers are fused. */
export function keepApart(model: Model): Model {
  for (const layer of allLayers(model)) {
    const { call } = layer;
    Object.assign(layer, { call: (...given: Parameters<Layer['call']>) => call.apply(layer, given) });
  }
  return model;
}

/** Description of a model, for messages. */
export const describeModel = (model: Model): string =>
  layerCalls(model.graph)
    .map(({ layer, inputs }) => `${layer.kind}(${inputs}) ${JSON.stringify(layer.getConfig())}`)
    .join('\n');
