import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  Dense,
  DisposedError,
  Flatten,
  ImageLoader,
  regularizers,
  Sequential,
  SGD,
  tensor,
} from '../../src/node.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

describeOnDevice('evaluate and predict called again on the same data', (device) => {
  const images = drawImages(40, { classes: 3, shape: [4, 4, 1] });
  const loss = 'sparseCategoricalCrossentropy';
  const build = (seed = 3) => {
    const kernelRegularizer = regularizers.l2(0.1);
    const body = new Dense({ units: 5, activation: 'relu', kernelRegularizer });
    const layers = [new Flatten({ inputShape: [4, 4, 1] }), body, new Dense({ units: 3, activation: 'softmax' })];
    const model = new Sequential(layers).build(device, { seed }).compile({ optimizer: new SGD(), loss });
    return { model, body };
  };
  const objectsCreated = () => {
    const { bindGroupsCreated, buffersCreated, pipelinesCreated } = device.counters;
    return { bindGroupsCreated, buffersCreated, pipelinesCreated };
  };

  test('do not record again, and use the current weights', async () => {
    using data = new ImageLoader(device, images);
    const { model } = build();
    const both = async () => [await model.evaluate(data), await model.predict(data)] as const;
    const [first, outputs] = await both();
    const before = objectsCreated();
    const [again, same] = await both();
    expect(objectsCreated()).toEqual(before);
    expect(again).toEqual(first);
    expectSameBits(same, outputs);
    await model.fit(data, { epochs: 3 });
    const [later, other] = await both();
    expect(later.loss).toBeLessThan(first.loss);
    expect(other).not.toEqual(outputs);
    const { model: fresh } = build();
    await fresh.fit(data, { epochs: 3 });
    expect(await fresh.evaluate(data)).toEqual(later);
    for (const one of [model, fresh]) one.dispose();
  });

  test('throw for data and models that were disposed meanwhile, and write to no other memory', async () => {
    const others = Array.from({ length: 20 }, () => tensor(device, Array(64).fill(7), [64]));
    const data = new ImageLoader(device, images);
    const { model } = build();
    await model.evaluate(data);
    await model.predict(data);
    data.dispose();
    await expect(model.evaluate(data)).rejects.toThrow(DisposedError);
    await expect(model.predict(data)).rejects.toThrow(DisposedError);

    using more = new ImageLoader(device, images);
    model.compile({ optimizer: 'adam', loss });
    const onEpochEnd = () => void model.compile({ optimizer: 'sgd', loss }); // Adam's moments would be released
    await expect(model.fit(more, { epochs: 2, callbacks: [{ onEpochEnd }] })).rejects.toThrow(ArgumentError);
    await expect(model.fit(more, { callbacks: [{ onEpochBegin: () => model.dispose() }] })).rejects.toThrow(
      DisposedError,
    );
    for (const other of others) {
      expect([...(await other.data())].every((value) => value === 7)).toBe(true);
      other.dispose();
    }
  });

  test('an optimizer works for its second model after the first one is disposed', async () => {
    using data = new ImageLoader(device, images);
    const [{ model: one }, { model: two }] = [build(), build(4)];
    const optimizer = new Adam();
    for (const model of [one, two]) model.compile({ optimizer, loss });
    await two.fit(data, { batchSize: 10 });
    one.dispose();
    await two.fit(data, { batchSize: 10 });
    expect(optimizer.iterations).toBe(8);
    two.dispose();
  });

  test('record again if batch size, frozen layers, loss or the number of replicas changed', async () => {
    using data = new ImageLoader(device, images);
    const { model, body } = build();
    const whole = await model.evaluate(data);
    body.trainable = false; // its penalty is no longer in the loss
    const frozen = await model.evaluate(data);
    expect(frozen.loss).toBeLessThan(whole.loss);
    body.trainable = true;
    expect(await model.evaluate(data)).toEqual(whole);
    expect((await model.evaluate(data, { batchSize: 7 })).loss).toBeCloseTo(whole.loss, 5);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    expect((await model.evaluate(data)).loss).not.toBeCloseTo(whole.loss, 2);
    const outputs = await model.predict(data);
    model.replicate(2);
    expect(await model.evaluateReplicas(data)).toHaveLength(2);
    expectSameBits((await model.predict(data)).slice(0, outputs.length), outputs);
    model.dispose();
  });

  test('do not share a program if calls overlap', async () => {
    using data = new ImageLoader(device, images);
    using other = new ImageLoader(device, drawImages(9, { classes: 3, shape: [4, 4, 1] }));
    const { model } = build();
    const [a, b] = [await model.evaluate(data), await model.evaluate(other)];
    const outputs = await model.predict(data);
    const all = await Promise.all([data, other, data, data].map((one) => model.evaluate(one)));
    expect(all).toEqual([a, b, a, a]);
    for (const same of await Promise.all([model.predict(data), model.predict(data)])) expectSameBits(same, outputs);
    model.dispose();
  });
});
