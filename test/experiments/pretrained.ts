import { join } from 'node:path';
import { mobileNetV2, saveSafetensors } from '../../src/node.ts';
import { RandomStream } from '../../src/random.ts';

/**
 * A file of weights such as B9 and B10 begin with, drawn: the published ones stay out of the repository.
 */
export function pretrainedFile(folder: string): void {
  const model = mobileNetV2({ includeTop: false });
  const tensors = model.plan(model.inputShape).weights.map(({ name, shape, initializer }, i) => {
    const random = new RandomStream(1, 'initializer', i);
    return [name, { shape: [...shape], data: Float32Array.from(initializer(shape, random)) }] as const;
  });
  saveSafetensors(join(folder, 'mobilenet-v2-1.0-224-no-top.safetensors'), tensors);
}
