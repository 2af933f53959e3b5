import { expect, test } from 'vitest';
import { Conv2D, Dense, Flatten, MaxPooling2D, Sequential } from '../../src/index.ts';
import { describeOnDevice } from '../support/device.ts';

const totals = (model: Sequential) => model.summary().split('\n').slice(-3);
const dense = (inputs: number, units: number) =>
  new Sequential([new Dense({ units, useBias: false, inputShape: [inputs] })]);

test('summary: sizes are those that Keras 3 prints for LeNet-5 on MNIST', () => {
  const model = new Sequential([
    new Conv2D({ filters: 6, kernelSize: 5, padding: 'same', inputShape: [28, 28, 1] }), // 6 * 25 + 6
    new MaxPooling2D(),
    new Conv2D({ filters: 16, kernelSize: 5 }), // 16 * 6 * 25 + 16
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 120 }), // 400 * 120 + 120
    new Dense({ units: 84 }),
    new Dense({ units: 10 }),
  ]);
  expect(totals(model)).toEqual([
    'Total params: 61,706 (241.04 KB)', // 246,824 bytes
    'Trainable params: 61,706 (241.04 KB)',
    'Non-trainable params: 0 (0.00 B)',
  ]);
});

// Four bytes for each value; units of 1024 as in Keras's readable_memory_size.
test.each([
  [1, 2, '2 (8.00 B)'],
  [5, 51, '255 (1020.00 B)'],
  [16, 16, '256 (1.00 KB)'],
  [512, 511, '261,632 (1022.00 KB)'],
  [512, 512, '262,144 (1.00 MB)'],
  [1000, 1000, '1,000,000 (3.81 MB)'],
  [16384, 16384, '268,435,456 (1.00 GB)'],
])('summary: a kernel [%i, %i] has params %s', (inputs, units, text) => {
  expect(totals(dense(inputs, units))[0]).toBe(`Total params: ${text}`);
});

test('summary: each total has its own unit', () => {
  const model = new Sequential([
    new Dense({ units: 512, useBias: false, inputShape: [512], trainable: false }),
    new Dense({ units: 2, useBias: false }),
  ]);
  expect(totals(model)).toEqual([
    'Total params: 263,168 (1.00 MB)', // 1,052,672 bytes
    'Trainable params: 1,024 (4.00 KB)',
    'Non-trainable params: 262,144 (1.00 MB)',
  ]);
});

describeOnDevice('on an adapter', (device) => {
  test('summary: totals are those of one replica; the last line has the number of replicas and their size', () => {
    const model = dense(16, 16).build(device, { replicas: 3 });
    expect(model.summary().split('\n').slice(-2)).toEqual([
      'Non-trainable params: 0 (0.00 B)',
      'Replicas: 3, each with its own params (3.00 KB in all)',
    ]);
    expect(dense(16, 16).build(device).summary()).not.toContain('Replicas');
    model.dispose();
  });
});
