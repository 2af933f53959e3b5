import { expect, test } from 'vitest';
import { DataError, decodeKeras, modelConfig } from '../../../src/node.ts';
import { kerasZip, layer3, model3 } from './made-files.ts';

const dtype = { module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null };
const common = { trainable: true, dtype, data_format: 'channels_last' };
const INPUT = layer3('InputLayer', { name: 'x', batch_shape: [null, 8, 9, 3] });

/** Configurations of Keras 3.15.1 (`layer.get_config()`), with the layers they become. */
const layers: [kind: string, config: object, here: object][] = [
  ['RandomFlip', { seed: null, mode: 'horizontal_and_vertical' }, { mode: 'horizontalAndVertical' }],
  ['RandomFlip', { seed: 3, mode: 'vertical' }, { mode: 'vertical', seed: 3 }],
  [
    'RandomTranslation',
    { height_factor: 0.1, width_factor: [-0.2, 0.1], fill_mode: 'reflect', interpolation: 'bilinear', seed: null, fill_value: 0 },
    { heightFactor: 0.1, widthFactor: [-0.2, 0.1], fillMode: 'reflect', interpolation: 'bilinear', fillValue: 0 },
  ],
  [
    'RandomRotation',
    { factor: [-0.1, 0.1], fill_mode: 'wrap', fill_value: 0, interpolation: 'nearest', seed: null },
    { factor: [-0.1, 0.1], fillMode: 'wrap', fillValue: 0, interpolation: 'nearest' },
  ],
  [
    'RandomZoom',
    { height_factor: 0.1, width_factor: null, fill_mode: 'constant', interpolation: 'bilinear', seed: null, fill_value: 0.5 },
    { heightFactor: 0.1, fillMode: 'constant', interpolation: 'bilinear', fillValue: 0.5 },
  ],
  [
    'RandomContrast',
    { factor: [0, 0.2], value_range: [0, 255], seed: null },
    { factor: [0, 0.2], valueRange: [0, 255] },
  ],
  [
    'RandomErasing',
    { factor: [0, 1], scale: [0.02, 0.33], fill_value: null, value_range: [0, 255], seed: null },
    { factor: [0, 1], scale: [0.02, 0.33], valueRange: [0, 255] },
  ],
  ['RandomCrop', { height: 3, width: 4, seed: 790144432 }, { height: 3, width: 4, seed: 790144432 }],
]; // biome-ignore format: as rows

test.each(layers)('decodeKeras: %s with %o', async (kind, config, here) => {
  const model = await decodeKeras(kerasZip(model3([INPUT, layer3(kind, { name: 'layer', ...common, ...config })])));
  const [{ className, config: options }] = modelConfig(model).config.layers as [{ className: string; config: object }];
  expect(className).toBe(kind);
  expect(options).toEqual({ name: 'layer', inputShape: [8, 9, 3], ...here });
});

test('decodeKeras: throws for random layers with channels first, bounding boxes or unknown modes', async () => {
  const given = { ...common, name: 'layer' };
  const expectRefused = async (kind: string, config: object) =>
    decodeKeras(kerasZip(model3([INPUT, layer3(kind, { ...given, ...config })]))).then(
      () => null,
      (error: unknown) => error,
    );
  for (const [kind, config, says] of [
    ['RandomFlip', { mode: 'sideways' }, /layer \(RandomFlip\): RandomFlip: mode must be one of/],
    ['RandomRotation', { factor: 0.1, data_format: 'channels_first' }, /data_format is "channels_first", but must be "channels_last"/],
    ['RandomZoom', { height_factor: 0.1, bounding_box_format: 'xyxy' }, /bounding_box_format is "xyxy", but must be left out/],
    ['RandomBrightness', { factor: 0.1 }, /there are no layers such as RandomBrightness/],
  ] as const) {
    const error = await expectRefused(kind, config);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(says);
  }
}); // biome-ignore format: as rows
