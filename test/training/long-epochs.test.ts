import { expect, test } from 'vitest';
import { Dense, Sequential, SGD } from '../../src/node.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';

const BATCHES = 4000;

// Every batch has the same loss. Among squares of two-digit numbers, this one is the worst: one f32 sum is off by 5.8e-5.
describeOnDevice('epochs of many batches', (device) => {
  const data = { x: new Float32Array(BATCHES), y: new Float32Array(BATCHES).fill(4.01) };
  const expected = Math.fround(Math.fround(4.01) ** 2);

  test('evaluate, fit and validation: the mean loss of each replica is within 1e-5, the number of samples exact', async () => {
    const layer = new Dense({ units: 1, inputShape: [1] });
    using model = new Sequential([layer]).build(device, { replicas: 2 });
    // The rate is so small that the loss does not change.
    model.compile({ optimizer: new SGD({ learningRate: 1e-30 }), loss: 'meanSquaredError' });
    const { loss } = await model.evaluate(data, { batchSize: 1 });
    expectClose([loss], [expected], { rtol: 1e-5 }, 'evaluate');
    const counted: number[] = [];
    const count = { everySteps: BATCHES, onSteps: ({ samples }: { samples: number }) => void counted.push(samples) };
    const { replicas } = await model.fit(data, { batchSize: 1, validationData: data, callbacks: [count] });
    const losses = replicas.flatMap(([epoch]) => [epoch!.loss, epoch!.valLoss!]);
    expectClose(losses, [expected, expected, expected, expected], { rtol: 1e-5 }, 'fit');
    expect(counted).toEqual([BATCHES]);
  });
});
