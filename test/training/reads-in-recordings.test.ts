import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { GpuError, ShapeError } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('functions of the user that read values while a step is recorded', (device) => {
  const seen: unknown[] = [];
  const look = (y: Tensor) => {
    y.data().then((values) => seen.push(values)); // an unhandled rejection would end the process, and fails this run
    return y;
  };
  const dense = () => new tg.Dense({ units: 1, inputShape: [1], kernelInitializer: 'ones' });
  const data = { x: [[2], [4]], y: [[3], [3]] };
  const message = /^data: no values can be read here, where a step is recorded that runs later/;

  test('a metric: GpuError, once', async () => {
    const model = new tg.Sequential([dense()]).build(device);
    const looking = (y: Tensor, t: Tensor) => tg.sub(look(y), t);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [looking] });
    await expect(model.evaluate(data)).rejects.toThrow(GpuError);
    await expect(model.fit(data)).rejects.toThrow(message);
  });

  test('a loss, and a layer', async () => {
    const model = new tg.Sequential([dense()]).build(device);
    model.compile({ optimizer: 'sgd', loss: (y: Tensor, t: Tensor) => tg.mean(tg.square(tg.sub(look(y), t))) });
    await expect(model.fit(data)).rejects.toThrow(message);
    const layered = new tg.Sequential([dense(), new tg.Lambda(look)]).build(device);
    await expect(layered.predict([[1]])).rejects.toThrow(message);
    const itemized = new tg.Sequential([
      dense(),
      new tg.Lambda((y: Tensor) => {
        tg.sum(y).item();
        tg.sum(y).text();
        return y;
      }),
    ]).build(device);
    await expect(itemized.predict([[1]])).rejects.toThrow(message);
    expect(seen).toEqual([]);
    expect([...(await tg.tensor(device, [7], [1]).data())]).toEqual([7]);
  });

  test('evaluate: throws if there are no samples', async () => {
    const model = new tg.Sequential([dense()]).build(device).compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    await expect(model.predict([])).rejects.toThrow(/^predict: x:? has no samples; give at least one, of shape \[1\]/);
    await expect(model.evaluate({ x: [], y: [] })).rejects.toThrow(ShapeError);
    await expect(model.fit({ x: new Float32Array(), y: [] })).rejects.toThrow(/^fit: x:? has no samples/);
  });
});
