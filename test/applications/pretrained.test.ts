import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as core from '../../src/index.ts';
import {
  ArgumentError,
  DataError,
  type Device,
  encodeSafetensors,
  FileError,
  GlobalAveragePooling2D,
  type Model,
  mobileNetV2,
  Rescaling,
  Resizing,
  Sequential,
} from '../../src/node.ts';
import { tempDir } from '../data/helpers.ts';
import { rejection } from '../data/server.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { publishedFile, randomWeights, type Values, write } from './weights.ts';

const small = { inputShape: [32, 32, 3], alpha: 0.35, classes: 10 };
const trunk = { ...small, includeTop: false };
const isHead = (name: string) => name.startsWith('predictions/');

async function expectWeights(model: Model, device: Device, values: ReadonlyMap<string, Values>) {
  model.build(device);
  expect(model.weights).toHaveLength(values.size);
  for (const { name, tensor } of model.weights) expectSameBits(await tensor.data(), values.get(name)!.data, name);
  model.dispose();
}

test('mobileNetV2: returns a model without weights, and a promise of one with weights', async () => {
  for (const weights of [undefined, null]) {
    const model: Model = mobileNetV2({ ...trunk, weights });
    expect(model.built).toBe(false);
    expect(core.mobileNetV2({ ...trunk, weights }).countParams()).toBe(410_208);
  }
  const bytes = publishedFile(randomWeights(mobileNetV2(trunk)));
  const promise: Promise<Model> = mobileNetV2({ ...trunk, weights: bytes });
  expect(promise).toBeInstanceOf(Promise);
  expect((await promise).built).toBe(false);
  const perhaps = bytes.length > 0 ? bytes : null; // whose type does not say whether there are weights
  expect(((await mobileNetV2({ ...trunk, weights: perhaps })) satisfies Model).title).toBe('mobilenetv2');
  expect(((await core.mobileNetV2({ ...trunk, weights: perhaps })) satisfies Model).title).toBe('mobilenetv2');
});

describeOnDevice('mobileNetV2 with given weights', (device) => {
  const values = randomWeights(mobileNetV2(small));
  const trunkValues = new Map([...values].filter(([name]) => !isHead(name)));
  const withHead = publishedFile(values);
  const withoutHead = publishedFile(values, (name) => !isHead(name));
  const head = publishedFile(values, isHead);

  test('loads the bytes of a safetensors file, in Node and in browsers', async () => {
    await expectWeights(await mobileNetV2({ ...trunk, weights: withoutHead }), device, trunkValues);
    await expectWeights(await core.mobileNetV2({ ...small, weights: withHead }), device, values);
    const { buffer } = new Uint8Array(withHead);
    await expectWeights(await core.mobileNetV2({ ...small, weights: buffer }), device, values);
    await expectWeights(await core.mobileNetV2({ ...small, weights: [withoutHead, head] }), device, values);
  });

  test('loads paths; finds the head next to the file of a network without one', async () => {
    const dir = tempDir();
    const path = write(join(dir, 'my-no-top.safetensors'), withoutHead);
    await expectWeights(await mobileNetV2({ ...trunk, weights: path }), device, trunkValues);
    const lacking = await rejection(mobileNetV2({ ...small, weights: path }));
    expect(lacking.message).toMatch(/my-no-top\.safetensors does not fit.*the file lacks predictions\/kernel/);
    const top = write(join(dir, 'my-top.safetensors'), head);
    await expectWeights(await mobileNetV2({ ...small, weights: path }), device, values);
    const both = await mobileNetV2({ ...small, weights: [top, write(join(dir, 'a.safetensors'), withoutHead)] });
    await expectWeights(both, device, values);
    await expectWeights(await mobileNetV2({ ...small, weights: write(join(dir, 'whole'), withHead) }), device, values);
  });

  test('keeps its weights in a model that resizes and rescales pixels before it', async () => {
    const extractor = await mobileNetV2({ ...trunk, weights: withoutHead });
    extractor.trainable = false;
    const around = new Sequential([
      new Resizing({ height: 32, width: 32, inputShape: [16, 16, 3] }),
      new Rescaling({ scale: 2, offset: -1 }),
      extractor,
      new GlobalAveragePooling2D(),
    ]).build(device);
    expect(around.trainableWeights).toEqual([]);
    for (const { name, tensor } of around.weights) {
      expectSameBits(await tensor.data(), values.get(name.replace('mobilenetv2/', ''))!.data, name);
    }
    around.dispose();
  });
});

test('mobileNetV2: throws for weights of another network, and names the difference', async () => {
  const bytes = publishedFile(randomWeights(mobileNetV2(trunk)));
  const other = await rejection(mobileNetV2({ ...trunk, alpha: 0.5, weights: bytes }));
  expect(other).toBeInstanceOf(DataError);
  expect(other.message).toMatch(
    /weights does not fit the model mobilenetv2: of another shape block_1_project\/kernel.*\. The model is mobileNetV2 of alpha 0\.5, without a head/,
  );
  const gray = await rejection(mobileNetV2({ ...trunk, inputShape: [32, 32, 1], weights: bytes }));
  expect(gray.message).toMatch(
    /of another shape Conv1\/kernel \(\[3,3,3,16\] in the file, \[3,3,1,16\] in the model\)/,
  );
  const top = await rejection(mobileNetV2({ ...small, weights: bytes }));
  expect(top.message).toMatch(/the file lacks predictions\/kernel.*with a head of 10 classes\. The file has no head/);
  expect(top.message).toMatch(/give includeTop: false, or a file with the head/);
  const browser = await rejection(core.mobileNetV2({ ...small, weights: bytes }));
  expect(browser.message).toBe(top.message);
  expect(other.message).not.toContain('has no head');
  const surplus = publishedFile(randomWeights(mobileNetV2(small)));
  expect((await rejection(mobileNetV2({ ...trunk, weights: surplus }))).message).toMatch(/the model lacks predictions/);
  const twice = await rejection(mobileNetV2({ ...trunk, weights: [bytes, bytes] }));
  expect(twice.message).toMatch(/weights\[1\]: Conv1\/kernel is in two of the files/);
  const broken = randomWeights(mobileNetV2(trunk));
  broken.get('Conv_1/kernel')!.data[3] = Number.NaN;
  expect((await rejection(mobileNetV2({ ...trunk, weights: publishedFile(broken) }))).message).toMatch(
    /Conv_1\/kernel: value 3 is NaN/,
  );
  const scalar = encodeSafetensors([['a', { shape: [1], data: Float32Array.of(1) }]]);
  expect(await rejection(core.mobileNetV2({ ...trunk, weights: scalar }))).toBeInstanceOf(DataError);
  const cut = await rejection(mobileNetV2({ ...trunk, weights: bytes.subarray(0, 90_000) }));
  expect(cut.message).toMatch(/weights is cut short/);
});

test('mobileNetV2: throws for a value that is not a file, and suggests what to pass', async () => {
  const dir = tempDir();
  const expectRejected = async (weights: unknown, Kind: new (message: string) => Error, message: RegExp) => {
    const error = await rejection(mobileNetV2({ ...trunk, weights: weights as string }));
    expect(error).toBeInstanceOf(Kind);
    expect(error.message).toMatch(message);
  };
  await expectRejected('imagnet', FileError, /cannot read imagnet: there is no such file.*did you mean 'imagenet'\?/);
  await expectRejected('ImageNet', FileError, /did you mean 'imagenet'\?/);
  await expectRejected(join(dir, 'a.h5'), FileError, /a\.h5: there is no such file or folder$/);
  await expectRejected(dir, FileError, /it is a folder; give the path of a file in it, or set TILEGRAD_WEIGHTS/);
  await expectRejected('', ArgumentError, /weights must be text/);
  await expectRejected(7, ArgumentError, /weights must be 'imagenet', the path or the bytes of a file.*is 7/);
  await expectRejected([], ArgumentError, /weights must be/);
  await expectRejected([7], ArgumentError, /weights must be/);
  await expectRejected(write(join(dir, 'b.safetensors'), 'text'), DataError, /b\.safetensors/);
  for (const options of [{ rows: 224 as const }, { download: {} }]) {
    const [name] = Object.keys(options);
    const bytes = new Uint8Array(8);
    expect(() => mobileNetV2({ ...trunk, weights: bytes, ...options })).toThrow(
      new RegExp(`${name} needs weights: 'imagenet', but weights is a Uint8Array of 8`),
    );
  }
});

test("mobileNetV2: suggests 'imagenet' and a replacement for Keras's pooling", () => {
  expect(() => mobileNetV2({ ...trunk, weights: 'ImageNet', rows: 224 })).toThrow(
    /^mobileNetV2: rows needs weights: 'imagenet', but weights is "ImageNet"; did you mean 'imagenet'\?$/,
  );
  for (const make of [mobileNetV2, core.mobileNetV2]) {
    expect(() => make({ ...trunk, pooling: 'avg' } as never)).toThrow(
      /^mobileNetV2: there is no option pooling; put new GlobalAveragePooling2D\(\) after the network.* There are alpha, /,
    );
  }
});

test("mobileNetV2 in a browser: throws for 'imagenet' and paths, and says what to do", async () => {
  for (const weights of ['imagenet', 'a.h5', 7, []]) {
    const error = await rejection(core.mobileNetV2({ ...trunk, weights: weights as unknown as Uint8Array }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/bytes of a file.*fetch.*tilegrad\/node/);
    expect(error.message).toContain('https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/');
  }
});
