import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layersInKerasOrder } from '../../../src/io/keras/layer-order.ts';
import {
  type CallContext,
  decodeKeras,
  decodeKerasWeights,
  Layer,
  loadKeras,
  loadNpy,
  loadSafetensors,
  type Model,
  modelConfig,
  modelFromConfig,
  mul,
  Sequential,
  type Shape,
  type Tensor,
  tensor,
} from '../../../src/node.ts';
import { kerasModels, kerasSamples, unpacked } from '../../golden/files/files.ts';
import { describeOnDevice } from '../../support/device.ts';
import { kerasZip, layer3, model3 } from './made-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tilegrad-keras-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const NAMES = ['sequential', 'branches', 'nested'] as const;
const FILES = ['model-2.h5', 'model-3.h5', 'model.keras'] as const;
const CASES = NAMES.flatMap((name) => FILES.map((file) => [name, file] as const));

/** The largest difference of two lists. */
function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

test.each(CASES)(
  "decodeKeras: %s of %s has Keras's layers, with their names and in their order",
  async (name, file) => {
    const model = await decodeKeras(unpacked(kerasModels[name].files[file]));
    // Keras's pooling with keepdims is two layers here.
    expect(layersInKerasOrder(model).map((layer) => layer.name)).toEqual(kerasModels[name].layers);
    expect(model.inputShape).toEqual(kerasModels[name].inputShape);
    expect(model.kind).toBe(name === 'sequential' ? 'Sequential' : 'Functional');
  },
);

test('decodeKeras: keeps which layers are frozen, penalties and initializers', async () => {
  const nested = await decodeKeras(unpacked(kerasModels.nested.files['model-2.h5']));
  const backbone = nested.getLayer('backbone') as Model;
  expect(backbone.layers.map(({ name, trainable }) => [name, trainable])).toEqual([
    ['c1', false],
    ['b1', false],
    ['c2', true],
    ['b2', true],
    ['pool', true],
    ['pool_keepdims', true],
  ]);
  const plain = await decodeKeras(unpacked(kerasModels.sequential.files['model.keras']));
  expect(plain.getLayer('conv_a').getConfig()).toEqual({
    name: 'conv_a',
    filters: 4,
    kernelSize: [3, 3],
    strides: [2, 2],
    padding: 'valid',
    dilationRate: [1, 1],
    activation: 'relu',
    useBias: true,
    kernelInitializer: 'glorotUniform',
    kernelRegularizer: { l1: 0, l2: 0.25 },
    biasInitializer: 'zeros',
  });
  // A model that was read can be saved, because it has only tilegrad's options.
  expect(modelFromConfig(modelConfig(plain)).summary()).toBe(plain.summary());
});

test('decodeKeras: uses the given shape of samples only if the file leaves sizes open', async () => {
  const bytes = kerasZip(
    model3([
      layer3('InputLayer', { name: 'images', batch_shape: [null, null, null, 3] }),
      layer3('GlobalAveragePooling2D', { name: 'pool' }),
    ]),
  );
  expect((await decodeKeras(bytes, { inputShape: [5, 6, 3] })).inputShape).toEqual([5, 6, 3]);
  await expect(decodeKeras(bytes, {}, 'm.keras')).rejects.toThrow(
    'm.keras: model small: its samples have the shape [?,?,3]; give their sizes: { inputShape: [...] }',
  );
  await expect(decodeKeras(bytes, { inputShape: [5, 6, 1] }, 'm.keras')).rejects.toThrow(
    'm.keras: model small: takes samples of [?,?,3], which [5,6,1] is not',
  );
});

/** A user's layer, under a name that Keras uses. */
class Scale extends Layer {
  readonly kind = 'Scale';
  readonly options: Record<string, unknown>;
  constructor(options: Record<string, unknown>) {
    super(options);
    this.options = options;
  }
  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }
  call(x: Tensor, _: CallContext): Tensor {
    return mul(x, this.options.factor as number);
  }
}

describeOnDevice('on a device', (device) => {
  test.each(CASES)('loadKeras: %s of %s has the outputs of Keras in float64', async (name, file) => {
    const { inputShape, outputs, files } = kerasModels[name];
    const path = join(folder, file);
    writeFileSync(path, unpacked(files[file]));
    const model = (await loadKeras(path)).build(device);
    const x = tensor(device, kerasSamples(3, inputShape), [3, ...inputShape]);
    expect(largestDifference(await model.call(x).data(), outputs)).toBeLessThan(2e-6);
    model.dispose();
  });

  test.each(FILES)(
    'decodeKerasWeights: loads %s into the model of another file, and into a built model',
    async (file) => {
      const { inputShape, outputs, files } = kerasModels.nested;
      const description = modelConfig(await decodeKeras(unpacked(files['model.keras'])));
      const model = modelFromConfig(description).build(device, { seed: 3 });
      const x = tensor(device, kerasSamples(3, inputShape), [3, ...inputShape]);
      expect(largestDifference(await model.call(x).data(), outputs)).toBeGreaterThan(1e-2);
      await decodeKerasWeights(model, unpacked(files[file]));
      expect(largestDifference(await model.call(x).data(), outputs)).toBeLessThan(2e-6);
      model.dispose();
    },
  );

  test('loadKeras: the model can be a layer of another model, and keeps its weights', async () => {
    const { inputShape, outputs, files } = kerasModels.branches;
    const inner = await decodeKeras(unpacked(files['model.keras']));
    const model = new Sequential([inner]).build(device, { seed: 5 });
    const x = tensor(device, kerasSamples(3, inputShape), [3, ...inputShape]);
    expect(largestDifference(await model.call(x).data(), outputs)).toBeLessThan(2e-6);
    model.dispose();
  });

  test('loadKeras: customLayers get the options in the file, and take precedence over layers with the same name', async () => {
    const bytes = kerasZip(
      model3([
        layer3('InputLayer', { name: 'x', batch_shape: [null, 2] }),
        layer3('Scale', { name: 'a', dtype: 'float32', factor: 3 }),
        layer3('Rescaling', { name: 'b', factor: 5 }),
      ]),
    );
    const model = await decodeKeras(bytes, { customLayers: { Scale, Rescaling: Scale } });
    expect((model.layers[0] as Scale).options).toEqual({ inputShape: [2], name: 'a', trainable: true, factor: 3 });
    model.build(device);
    expect(await model.predict([[1, 2]])).toEqual(Float32Array.of(15, 30));
    model.dispose();
  });

  const real = process.env.TILEGRAD_KERAS_H5;
  const weights = process.env.TILEGRAD_WEIGHTS;

  test.skipIf(!real)(
    `the file of Keras 2.4 has the outputs of Keras in float64${real ? '' : ' (TILEGRAD_KERAS_H5 is not set)'}`,
    async () => {
      const model = (await loadKeras(real!)).build(device);
      const logits = async (x: Float32Array, count: number) =>
        model.callLogits(tensor(device, x, [count, 224, 224, 3])).data();
      const { samples, photos } = kerasModels.teachableMachine;
      expect(largestDifference(await logits(kerasSamples(2, [224, 224, 3]), 2), samples)).toBeLessThan(2e-5);
      if (weights) {
        const images = loadNpy(join(weights, 'photos.npy'));
        const x = Float32Array.from(images.data as Uint8Array, (byte) => byte / 127.5 - 1);
        expect(largestDifference(await logits(x, 6), photos)).toBeLessThan(2e-5);
      }
      model.dispose();
    },
  );

  test.skipIf(!real || !weights)(
    `the file of Keras 2.4 has the 260 tensors of the safetensors file, bit for bit${real && weights ? '' : ' (TILEGRAD_KERAS_H5 and TILEGRAD_WEIGHTS are not set)'}`,
    async () => {
      const model = (await loadKeras(real!)).build(device);
      const { tensors } = loadSafetensors(join(weights!, 'mobilenet-v2-0.35-224-no-top.safetensors'));
      let compared = 0;
      for (const { name, tensor } of model.weights) {
        const [layer, weight] = name.split('/').slice(-2);
        const stored = tensors.get(`${layer}/${layer!.endsWith('depthwise') ? 'depthwise_kernel' : weight}`);
        if (!stored) continue;
        expect(tensor.shape).toEqual(stored.shape);
        expect(
          Buffer.compare(new Uint8Array((await tensor.data()).buffer), new Uint8Array(stored.data.buffer)),
          name,
        ).toBe(0);
        compared++;
      }
      expect(compared).toBe(260);
      expect(model.weights.length).toBe(263);
      model.dispose();
    },
  );
});
