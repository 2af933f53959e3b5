import { join } from 'node:path';
import { RandomStream } from '../../src/base/random.ts';
import { mobileNetV2 } from '../../src/node.ts';
import { publishedFile, write } from '../applications/weights.ts';

/**
 * A file of random MobileNetV2 weights, with which B9 and B10 start in tests: the published ones are not in the
 * repository.
 * @returns its path
 */
export function pretrainedFile(folder: string, { alpha = 1, rows = 224 } = {}): string {
  const model = mobileNetV2({ alpha, includeTop: false });
  const values = model.plan(model.inputShape).weights.map(({ name, shape, initializer }, i) => {
    const data = Float32Array.from(initializer(shape, new RandomStream(1, 'initializer', i)));
    return [name, { shape, data }] as const;
  });
  const name = `mobilenet-v2-${Number.isInteger(alpha) ? `${alpha}.0` : alpha}-${rows}-no-top.safetensors`;
  return write(join(folder, name), publishedFile(new Map(values)));
}
