import { expect, test } from 'vitest';
import { createModel } from '../../web/src/network.ts';
import { DEFAULTS, type Settings } from '../../web/src/settings.ts';

const layersOf = (settings: Settings) =>
  createModel(settings).graph.layers.map(({ layer, outputShape }) => `${layer.kind} ${outputShape.join('x')}`);

test('LeNet-5 has the shapes of the paper, for 28 x 28 and 32 x 32 pixels', () => {
  const pooled = ['MaxPooling2D 14x14x6', 'Conv2D 10x10x16', 'MaxPooling2D 5x5x16', 'Flatten 400'];
  const shapes = ['Conv2D 28x28x6', ...pooled, 'Dense 120', 'Dense 84', 'Dense 10'];
  expect(layersOf(DEFAULTS)).toEqual(shapes);
  expect(layersOf({ ...DEFAULTS, data: 'cifar10' })).toEqual(shapes);
  // 5 x 5 x 3 x 6 + 6, 5 x 5 x 6 x 16 + 16, 400 x 120 + 120, 120 x 84 + 84, 84 x 10 + 10, as in EXPERIMENTS of A1.
  expect(createModel({ ...DEFAULTS, data: 'cifar10' }).countParams()).toBe(62_006);
});

test('an MLP has the layers of the settings', () => {
  const mlp = { ...DEFAULTS, network: 'mlp' as const };
  expect(layersOf({ ...mlp, layers: [30, 20] })).toEqual(['Flatten 784', 'Dense 30', 'Dense 20', 'Dense 10']);
  expect(layersOf({ ...mlp, layers: [] })).toEqual(['Flatten 784', 'Dense 10']);
});

test('optimizer and penalty are those of the settings', () => {
  const { training } = createModel({ ...DEFAULTS, optimizer: 'momentum', rate: 0.25 });
  expect(training.optimizer.settings).toMatchObject({ momentum: 0.9 });
  expect(training.optimizer.learningRate).toBe(0.25);
  const config = JSON.stringify(createModel({ ...DEFAULTS, penalty: 'l1', strength: 0.5 }).getConfig());
  expect(config.match(/"l1":0.5/g)).toHaveLength(5); // a kernel a layer
});
