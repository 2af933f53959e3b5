import { join } from 'node:path';
import { mobileNetV2, saveSafetensors } from '../../src/node.ts';
import { RandomStream } from '../../src/random.ts';

/**
 * A file of weights of MobileNetV2 such as B9 and B10 begin with, drawn: the published ones stay out of the repository.
 */
export function pretrainedFile(folder: string, { alpha = 1, rows = 224 } = {}): string {
  const model = mobileNetV2({ alpha, includeTop: false });
  const tensors = model.plan(model.inputShape).weights.map(({ name, shape, initializer }, i) => {
    const random = new RandomStream(1, 'initializer', i);
    return [name, { shape: [...shape], data: Float32Array.from(initializer(shape, random)) }] as const;
  });
  const path = join(
    folder,
    `mobilenet-v2-${Number.isInteger(alpha) ? `${alpha}.0` : alpha}-${rows}-no-top.safetensors`,
  );
  saveSafetensors(path, tensors);
  return path;
}
