import { expect, test } from 'vitest';
import {
  ArgumentError,
  type Callback,
  Dense,
  Flatten,
  ImageLoader,
  LambdaCallback,
  Sequential,
  SGD,
  type StepLogs,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

describeOnDevice('onSteps', (device) => {
  const images = drawImages(26, { classes: 3, shape: [4, 4, 1] });
  const build = (replicas = 1) => {
    const layers = [new Flatten({ inputShape: [4, 4, 1] }), new Dense({ units: 3, activation: 'softmax' })];
    const model = new Sequential(layers).build(device, { seed: 2, replicas });
    return model.compile({ optimizer: new SGD({ learningRate: 0.1 }), loss: 'sparseCategoricalCrossentropy' });
  };

  test('is called after every everySteps steps, with the metrics of the epoch so far, for each replica', async () => {
    using data = new ImageLoader(device, images);
    const model = build(2);
    const seen: StepLogs[] = [];
    const often: StepLogs[] = [];
    const history = await model.fit(data, {
      epochs: 2,
      batchSize: 5, // six steps, the last one of one sample
      callbacks: [
        new LambdaCallback({ everySteps: 2, onSteps: (logs) => void seen.push(logs) }),
        { everySteps: 3, onSteps: async (logs) => void often.push(logs) },
      ],
    });
    expect(seen.map(({ epoch, step, samples }) => [epoch, step, samples])).toEqual([
      [1, 2, 10],
      [1, 4, 20],
      [1, 6, 26],
      [2, 2, 10],
      [2, 4, 20],
      [2, 6, 26],
    ]);
    expect(often.map(({ step }) => step)).toEqual([3, 6, 3, 6]);
    const { loss, accuracy } = history.replicas[1]![0]!;
    expect(seen[2]!.replicas[1]).toEqual({ loss, accuracy });
    expect(seen[2]!.logs.loss).toBe(history.epochs[0]!.loss);
    expect(seen[0]!.replicas[0]!.loss).not.toBe(seen[1]!.replicas[0]!.loss);
    model.dispose();
  });

  test('may evaluate the model, without an effect on the training', async () => {
    using data = new ImageLoader(device, images);
    const losses: number[] = [];
    const run = async (callbacks: Callback[]) => {
      const model = build();
      const { epochs } = await model.fit(data, { epochs: 2, batchSize: 5, callbacks });
      model.dispose();
      return epochs.map(({ loss, accuracy }) => [loss, accuracy]);
    };
    const plain = await run([]);
    let model: Parameters<NonNullable<Callback['onTrainBegin']>>[0]['model'];
    const measuring: Callback = {
      everySteps: 1,
      onTrainBegin: (info) => {
        model = info.model;
      },
      onSteps: async () => void losses.push((await model.evaluate(data)).loss),
    };
    expect(await run([measuring])).toEqual(plain);
    expect(losses).toHaveLength(12);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });

  test.each([undefined, 0, -2, 1.5, '3'])('throws for everySteps: %s', async (everySteps) => {
    using data = new ImageLoader(device, images);
    using model = build();
    const callback = { everySteps, onSteps() {} } as Callback;
    await expect(model.fit(data, { callbacks: [callback] })).rejects.toThrow(ArgumentError);
    await expect(model.fit(data, { callbacks: [callback] })).rejects.toThrow(/onSteps needs everySteps/);
  });
});
