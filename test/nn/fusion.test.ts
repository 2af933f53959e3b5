import { expect, test } from 'vitest';
import {
  Activation,
  Add,
  BatchNormalization,
  Conv2D,
  DepthwiseConv2D,
  type Device,
  Flatten,
  input,
  type Layer,
  Model,
  noGrad,
  ReLU,
  Sequential,
  scope,
  sum,
  type Tensor,
  tensor,
  ZeroPadding2D,
} from '../../src/node.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';
import { random } from '../support/random.ts';

const SHAPE = [6, 7, 4];
const conv = (useBias = true) => new Conv2D({ filters: 8, kernelSize: 3, padding: 'same', useBias });
const depthwise = (options = {}) => new DepthwiseConv2D({ kernelSize: 3, ...options });
const zeroPadding = (after: [number, number]) => new ZeroPadding2D({ padding: [[after[0], 1], [after[1], 1]] }); // biome-ignore format: short

/** Stacks of layers, with kernels that must and must not run for them in training and in inference. */
const STACKS: Record<
  string,
  { layers: () => Layer[]; training: { not: string[]; has: string[] }; inference: { not: string[]; has: string[] } }
> = {
  'batch normalization and ReLU6': {
    layers: () => [new BatchNormalization(), new ReLU({ maxValue: 6 })],
    training: { has: ['batch_norm_vec4_relu6', 'batch_norm_grad_vec4_relu6'], not: ['relu6', 'relu6_grad'] },
    inference: { has: ['batch_norm_vec4_relu6'], not: ['relu6'] },
  },
  'batch normalization and ReLU': {
    layers: () => [new BatchNormalization(), new Activation('relu')],
    training: { has: ['batch_norm_vec4_relu'], not: ['relu', 'relu_grad'] },
    inference: { has: ['batch_norm_vec4_relu'], not: ['relu'] },
  },
  'a convolution, batch normalization and ReLU6': {
    layers: () => [conv(), new BatchNormalization(), new ReLU({ maxValue: 6 })],
    training: { has: ['batch_norm_vec4_relu6'], not: ['relu6', 'fold_batch_norm_vec4'] },
    inference: { has: ['fold_batch_norm_vec4'], not: ['batch_norm_vec4', 'batch_norm_vec4_relu6', 'relu6'] },
  },
  'a convolution without bias and batch normalization without scale': {
    layers: () => [conv(false), new BatchNormalization({ scale: false })],
    training: { has: ['batch_norm_vec4'], not: [] },
    inference: { has: ['fold_batch_norm_vec4'], not: ['batch_norm_vec4'] },
  },
  'zeros around a depthwise convolution, batch normalization and ReLU6': {
    layers: () => [
      zeroPadding([0, 1]),
      depthwise({ strides: 2, depthMultiplier: 2, useBias: false }),
      new BatchNormalization(),
      new ReLU({ maxValue: 6 }),
    ],
    training: { has: ['batch_norm_vec4_relu6'], not: ['copy_view', 'relu6'] },
    inference: { has: ['fold_batch_norm_vec4'], not: ['copy_view', 'batch_norm_vec4_relu6'] },
  },
  'zeros around a depthwise convolution with an activation': {
    layers: () => [zeroPadding([0, 1]), depthwise({ strides: 2, activation: 'relu' }), new BatchNormalization()],
    training: { has: ['batch_norm_vec4'], not: ['copy_view'] },
    inference: { has: ['batch_norm_vec4'], not: ['copy_view', 'fold_batch_norm_vec4'] },
  },
  'zeros around a convolution': {
    layers: () => [
      new ZeroPadding2D({ padding: 1 }),
      new Conv2D({ filters: 4, kernelSize: 3 }),
      new BatchNormalization(),
    ],
    training: { has: ['batch_norm_vec4'], not: ['copy_view'] },
    inference: { has: ['fold_batch_norm_vec4'], not: ['copy_view', 'batch_norm_vec4'] },
  },
};

/** Stacks that must not be fused, because something else reads or computes a value between the layers. */
const UNFUSED: Record<string, { layers: () => Layer[]; has: string[] }> = {
  'more zeros than padding has': {
    layers: () => [new ZeroPadding2D({ padding: 2 }), depthwise(), new Flatten()],
    has: ['copy_view'],
  },
  'zeros in other places than padding has them': {
    layers: () => [zeroPadding([1, 0]), depthwise({ strides: 2 }), new Flatten()],
    has: ['copy_view'],
  },
  'channels along another axis': {
    layers: () => [conv(), new BatchNormalization({ axis: 1 }), new ReLU({ maxValue: 6 })],
    has: ['copy_view', 'relu6'],
  },
  'another activation': {
    layers: () => [new BatchNormalization(), new ReLU({ maxValue: 5 })],
    has: ['batch_norm_vec4', 'relu', 'clip'],
  },
  'a convolution with an activation': {
    layers: () => [
      new Conv2D({ filters: 8, kernelSize: 1, activation: 'tanh' }),
      new BatchNormalization(),
      new ReLU({ maxValue: 6 }),
    ],
    has: ['batch_norm_vec4_relu6'],
  },
  'a layer with a custom call': {
    layers: () => {
      class Twice extends BatchNormalization {
        override call(...args: Parameters<BatchNormalization['call']>): Tensor {
          return super.call(...args);
        }
      }
      return [conv(), new Twice(), new ReLU({ maxValue: 6 })];
    },
    has: ['batch_norm_vec4', 'relu6'],
  },
  'a layer with a custom call for its list of inputs': {
    layers: () => {
      class Listed extends BatchNormalization {
        override callMany(...args: Parameters<BatchNormalization['callMany']>): Tensor {
          return super.callMany(...args);
        }
      }
      return [conv(), new Listed(), new ReLU({ maxValue: 6 })];
    },
    has: ['batch_norm_vec4', 'relu6'],
  },
  'a variance that nothing keeps from 0': {
    layers: () => [conv(), new BatchNormalization({ epsilon: 0 }), new ReLU({ maxValue: 6 })],
    has: ['batch_norm_vec4_relu6'],
  },
};

/** Draws all weights again, including moving statistics, so that none is exactly 0 or 1. */
function drawWeights(device: Device, model: Model): void {
  const values = random(5);
  for (const { name, spec, tensor } of model.weights) {
    const size = model.replicas * spec.shape.reduce((product, n) => product * n, 1);
    const draw = () => (name.endsWith('moving_variance') ? 0.5 + values.uniform() : values.normal());
    device.upload(tensor.array.storage, Float32Array.from({ length: size }, draw));
  }
}

/** Calls the layers of a stack separately. */
function callSeparately(model: Model, x: Tensor, training: boolean): Tensor {
  let first = 0;
  return model.plannedLayers.reduce((y, { layer, weights: specs }) => {
    const weights = model.weights.slice(first, first + specs.length).map(({ tensor }) => tensor);
    first += specs.length;
    return layer.call(y, { weights, training, random: { seed: 0, layer: 0, step: 0 } });
  }, x);
}

describeOnDevice('fused layers', (device) => {
  const images = drawLike([3, ...SHAPE], 1).data;

  const buildModel = (layers: Layer[], replicas = 1) => {
    const model = new Sequential([layers[0]!, ...layers.slice(1)]
      .map((layer, i) => (i === 0 ? withShape(layer) : layer)), 'stack').build(device, { replicas }); // biome-ignore format: short
    drawWeights(device, model);
    return model;
  };

  /** Adds the shape of samples, which the first layer needs. */
  const withShape = (layer: Layer) => Object.assign(layer, { inputShape: SHAPE });

  /** Output, gradients of x and of all weights, and the names of the kernels. */
  async function run(model: Model, call: (x: Tensor) => Tensor, { isTaped = true } = {}) {
    const x = tensor(device, images, [3, ...SHAPE], { requiresGrad: isTaped });
    const shape = [3, ...model.outputShape];
    const weights = tensor(device, drawLike(shape, 2).data, shape);
    let y: Tensor | undefined;
    const program = device.record(() =>
      scope(device, () => {
        for (const weight of model.weights) weight.zeroGrad();
        y = isTaped ? call(x) : noGrad(() => call(x));
        if (isTaped) y.backward(weights);
        return y;
      }),
    );
    program.run();
    const output = await y!.data();
    const grads = isTaped
      ? await Promise.all([x, ...model.trainableWeights.map(({ tensor }) => tensor)].map((leaf) => leaf.grad!.data()))
      : [];
    const { kernels } = program;
    program.dispose();
    x.dispose();
    weights.dispose();
    return { output, grads, kernels };
  }

  const close = { rtol: 1e-5, atol: 1e-5 };

  test.each(Object.keys(STACKS))(
    '%s: values, gradients and statistics equal those of separate layers',
    async (name) => {
      const { layers, training, inference } = STACKS[name]!;
      const model = buildModel(layers());
      for (const [isTraining, kernels] of [
        [true, training],
        [false, inference],
      ] as const) {
        drawWeights(device, model);
        const apart = await run(model, (x) => callSeparately(model, x, isTraining), { isTaped: isTraining });
        const statistics = () => Promise.all(model.nonTrainableWeights.map(({ tensor }) => tensor.data()));
        const moved = await statistics();
        drawWeights(device, model);
        const fused = await run(model, (x) => model.call(x, { training: isTraining }), { isTaped: isTraining });
        expectClose(fused.output, apart.output, close);
        for (const [k, grad] of fused.grads.entries()) expectClose(grad, apart.grads[k]!, close, `gradient ${k}`);
        for (const [k, values] of (await statistics()).entries()) expectClose(values, moved[k]!, close);
        for (const kernel of kernels.has) expect(fused.kernels).toContain(kernel);
        for (const kernel of kernels.not) expect(fused.kernels).not.toContain(kernel);
      }
      model.dispose();
    },
  );

  test.each(Object.keys(UNFUSED))('%s: layers are not fused', async (name) => {
    const { layers, has } = UNFUSED[name]!;
    const model = buildModel(layers());
    const apart = await run(model, (x) => callSeparately(model, x, false), { isTaped: false });
    const whole = await run(model, (x) => model.call(x), { isTaped: false });
    expectSameBits(whole.output, apart.output);
    for (const kernel of has) expect(whole.kernels).toContain(kernel);
    expect(whole.kernels).not.toContain('fold_batch_norm_vec4');
    model.dispose();
  });

  test('a variance of 0 with a tiny epsilon gives infinities, not NaN, as with separate layers', async () => {
    const model = buildModel([conv(), new BatchNormalization({ epsilon: 0 }), new ReLU({ maxValue: 6 })]);
    const variance = model.weights.find(({ name }) => name.endsWith('moving_variance'))!;
    device.upload(variance.tensor.array.storage, new Float32Array(8));
    const { output } = await run(model, (x) => model.call(x), { isTaped: false });
    expect(new Set(output)).toEqual(new Set([0, 6]));
    model.dispose();
  });

  test('layers are not fused if another layer reads the value between them', async () => {
    const x = input(SHAPE);
    const normal = new BatchNormalization().apply(x);
    const outputs = new Add().apply([new ReLU({ maxValue: 6 }).apply(normal), normal]);
    const model = new Model({ inputs: x, outputs }).build(device);
    drawWeights(device, model);
    const { output, kernels } = await run(model, (given) => model.call(given), { isTaped: false });
    const single = buildModel([new BatchNormalization()]);
    drawWeights(device, single);
    const plain = await run(single, (given) => single.call(given), { isTaped: false });
    expectClose(
      output,
      Array.from(plain.output, (v) => v + Math.min(Math.max(v, 0), 6)),
      close,
    );
    expect(kernels).toContain('relu6');
    model.dispose();
    single.dispose();
  });

  test('in training, only normalizations of frozen layers are folded into the weights', async () => {
    const model = buildModel([conv(), new BatchNormalization(), new ReLU(), conv(), new BatchNormalization()]);
    for (const layer of model.layers.slice(0, 3)) layer.trainable = false;
    const kernelsOf = () => {
      const x = tensor(device, images, [3, ...SHAPE]);
      const program = device.record(() => scope(device, () => void sum(model.call(x, { training: true })).backward()));
      const { kernels } = program;
      program.dispose();
      x.dispose();
      return kernels;
    };
    const some = kernelsOf();
    expect(some.filter((kernel) => kernel === 'fold_batch_norm_vec4')).toHaveLength(1);
    expect(some.filter((kernel) => kernel === 'batch_norm_vec4')).toHaveLength(1);
    expect(some).not.toContain('batch_norm_vec4_relu');
    model.layers[0]!.trainable = true; // its gradient goes through the normalization
    expect(kernelsOf()).toContain('batch_norm_vec4_relu');
    model.dispose();
  });

  test('a replica has the same bits as a single model', async () => {
    const layers = () => STACKS['a convolution, batch normalization and ReLU6']!.layers();
    const predictions = async (replicas: number, seed: number) => {
      const model = new Sequential(
        layers().map((layer, i) => (i === 0 ? withShape(layer) : layer)),
        'r',
      ).build(device, {
        replicas,
        seed,
      });
      const values = await model.predict(Float32Array.from(images));
      model.dispose();
      return Array.from(values);
    };
    const together = await predictions(2, 3);
    expectSameBits(together, [...(await predictions(1, 3)), ...(await predictions(1, 4))]);
  });
});
