import { expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const throwing = {
  get(): never {
    throw new Error('a getter that throws');
  },
};
const proxy = <T>(of: object = {}): T => new Proxy(of, throwing) as T;

describeOnDevice('throws, with the name of the argument, for values that cannot be read or are absurd', (device) => {
  const buildModel = () =>
    new tg.Sequential([new tg.Dense({ units: 1, activation: 'sigmoid', inputShape: [2] })]).build(device);
  const buildCompiled = () => buildModel().compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
  const data = () => ({ x: [[0, 1], [1, 0]], y: [0, 1] }); // biome-ignore format: as rows
  const ones = (shape: number[]) => tg.tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);

  class Own extends tg.Layer {
    readonly kind = 'Own';
    constructor(private readonly given: unknown) {
      super({ inputShape: [2] } as never);
    }
    plan = () => this.given as never;
    call = (x: tg.Tensor) => x;
  }

  test.each<[what: string, call: () => unknown, says: RegExp]>([
    [
      'Model: inputs',
      () => new tg.Model({ inputs: Object.defineProperty([1], 0, throwing) as never, outputs: tg.input([2]) }),
      /^Model: a value cannot be read/,
    ],
    [
      'compile: optimizer',
      () => buildModel().compile({ optimizer: proxy(), loss: 'huber' }),
      /^compile: a value cannot be/,
    ],
    [
      'compile: loss',
      () => buildModel().compile({ optimizer: 'sgd', loss: proxy() }),
      /^compile: a value cannot be read/,
    ],
    [
      'batchNorm: running',
      () => tg.batchNorm(ones([3, 2]), ones([2]), ones([2]), { running: proxy() }),
      /^batchNorm: a value cannot be read/,
    ],
    [
      'fit: classWeight',
      () =>
        buildCompiled().fit(data(), { classWeight: Object.defineProperty({}, 0, { ...throwing, enumerable: true }) }),
      /^fit: a value cannot be read/,
    ],
    [
      'a plan that is a function',
      () => new tg.Sequential([new Own(proxy(() => {}))]),
      /^Own: a layer needs plan\(inputShape\)/,
    ],
    ['a plan', () => new tg.Sequential([new Own({ outputShape: proxy([]), weights: [] })]), /^Own.*cannot be read/],
    [
      'a weight of a plan',
      () => {
        const weight = Object.defineProperty({}, 'name', { ...throwing, enumerable: true });
        return new tg.Sequential([new Own({ outputShape: [2], weights: [weight] })]);
      },
      /^Own: a value cannot be read/,
    ],
    // One JavaScript array for each replica would exhaust the process before the memory of the device.
    ['fit: replicas', () => buildCompiled().fit(data(), { replicas: 2 ** 31 }), /^fit: replicas must be at most 65535/],
    ['build: replicas', () => buildModel().replicate(2 ** 16), /^replicate: replicas must be at most 65535/],
    [
      'profileStep: a stream',
      () => tg.profileStep(buildCompiled(), (() => [data()]) as never, { seconds: 0.001 }),
      /^profileStep: takes samples as a loader or \{ x, y \}, but was given a stream/,
    ],
    ...[{ length: -1 }, { length: 1.5 }, { length: Number.NaN }].map((list): [string, () => unknown, RegExp] => [
      `pickImages: a list of length ${list.length}`,
      () => tg.pickImages(drawImages(2, { shape: [1, 1, 1], classes: 2 }), list as never),
      /^pickImages: takes a list of image numbers/,
    ]),
  ])('%s', async (_what, call, says) => {
    const called = (async () => call())();
    await expect(called).rejects.toThrow(tg.ArgumentError);
    await expect(called).rejects.toThrow(says);
  });

  test('profileStep: accepts arrays as well as a loader', async () => {
    using model = buildCompiled();
    const ceilings = { fmaGflops: 1, copyGBs: 1 };
    using loader = new tg.ArrayLoader(device, { ...data(), shape: [2], targetShape: [1] });
    const kernels = async (given: unknown) =>
      (await tg.profileStep(model, given as never, { seconds: 0.001, ceilings })).dispatches.map(
        ({ kernel }) => kernel,
      );
    const onArrays = await kernels(data());
    expect(onArrays.length).toBeGreaterThan(0);
    expect(onArrays).toEqual(await kernels(loader));
  });
});
