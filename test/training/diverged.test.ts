import { expect, test } from 'vitest';
import { Dense, EarlyStopping, ProgressLine, Sequential, SGD } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('a training whose loss is not a finite number at the end', (device) => {
  const data = { x: [1, 2, 3, 4], y: [1, 2, 3, 5] };
  const build = (learningRate: number | readonly number[], replicas = 1) =>
    new Sequential([new Dense({ units: 1, inputShape: [1] })])
      .build(device, { seed: 1, replicas })
      .compile({ optimizer: new SGD({ learningRate }), loss: 'meanSquaredError' });

  test('history lists its replicas, and a progress line says once what to do', async () => {
    using model = build([0.01, 1e30, 0.02, 1e35], 4);
    const lines: string[] = [];
    const callbacks = [new ProgressLine((line) => lines.push(line))];
    const { diverged } = await model.fit(data, { epochs: 4, batchSize: 2, callbacks });
    expect(diverged).toEqual([1, 3]);
    expect(lines.filter((line) => line.includes('TerminateOnNaN'))).toHaveLength(1);
    using fine = build(0.01);
    expect((await fine.fit(data, { epochs: 2 })).diverged).toEqual([]);
  });

  test('one whose last step made the weights NaN is found by them, and only that of several replicas', async () => {
    using model = build([3e38, 0.01], 2);
    const { diverged, replicas } = await model.fit(data);
    expect(replicas[0]![0]!.loss).toBeLessThan(1e9);
    expect(diverged).toEqual([0]);
    expect(Array.from(await model.predict([1]), Number.isFinite)).toEqual([false, true]);
  });

  test('is not reported if EarlyStopping restored the best weights', async () => {
    using model = build(1e5);
    const stop = new EarlyStopping({ monitor: 'loss', restoreBestWeights: true, patience: 3 });
    const { diverged, epochs } = await model.fit(data, { epochs: 12, callbacks: [stop] });
    expect(epochs.at(-1)!.loss).not.toSatisfy(Number.isFinite);
    expect(diverged).toEqual([]);
    expect((await model.predict([1])).every(Number.isFinite)).toBe(true);
  });

  test('one whose last step made the weights NaN is found by its validation loss', async () => {
    using model = build(3e38);
    const { diverged, epochs } = await model.fit(data, { validationData: data });
    expect(epochs[0]!.loss).toBeLessThan(1e9);
    expect(diverged).toEqual([0]);
  });
});
